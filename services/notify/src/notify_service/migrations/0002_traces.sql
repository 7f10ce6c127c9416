-- The trace in which a message was called for, continued when it is sent.
ALTER TABLE messages ADD COLUMN traceparent text;
