-- A school at a glance: where its students stand, from the index alone.
CREATE INDEX bindings_standing ON bindings (student_id) INCLUDE (state, decided_outcome, submitted_at)
    WHERE state IN ('approved', 'waiting');
