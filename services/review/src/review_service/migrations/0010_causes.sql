-- What a decision was taken in: its chain of causes and its trace. Both go on when the decision leaves for binding.
ALTER TABLE bindings
    ADD COLUMN decision_cause       text,
    ADD COLUMN decision_traceparent text;
