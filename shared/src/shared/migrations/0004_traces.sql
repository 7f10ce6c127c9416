-- The trace that an event belongs to (https://www.w3.org/TR/trace-context/); none where traces are off.
ALTER TABLE outbox ADD COLUMN traceparent text;
