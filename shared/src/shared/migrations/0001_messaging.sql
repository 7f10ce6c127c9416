-- The time that decides. Tests replace this function to move the clock; nothing else knows of that.
CREATE FUNCTION present() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';

-- Events that are true and not yet on the bus. A row leaves when the broker has confirmed it.
CREATE TABLE outbox (
    id             uuid PRIMARY KEY,
    type           text        NOT NULL,
    body           text        NOT NULL,
    correlation_id text        NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    due_at         timestamptz NOT NULL DEFAULT now(),
    tries          integer     NOT NULL DEFAULT 0,
    last_error     text
);
CREATE INDEX outbox_due ON outbox (due_at);

-- Events whose effect is committed: a second delivery finds its row and does nothing.
CREATE TABLE inbox (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received ON inbox (received_at);

-- Sliding windows: the times of the hits that still count, for one rule and one subject (a keyed hash).
CREATE TABLE rate_limits (
    rule    text          NOT NULL,
    subject text          NOT NULL,
    hits    timestamptz[] NOT NULL,
    allowed boolean       NOT NULL, -- whether the last hit was
    PRIMARY KEY (rule, subject)
);
