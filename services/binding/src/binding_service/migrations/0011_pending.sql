-- How many bindings wait, and since when: asked each time the metrics are fetched.
CREATE INDEX bindings_pending ON bindings (submitted_at) WHERE state = 'pending';
