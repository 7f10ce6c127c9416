-- Events that the broker has confirmed, kept for some days: what it loses with its queues is published again from here
-- (shared.resending). A relay of the version before deletes them instead.
CREATE TABLE outbox_sent (
    id             uuid PRIMARY KEY,
    type           text        NOT NULL,
    body           text        NOT NULL,
    correlation_id text        NOT NULL,
    sent_at        timestamptz NOT NULL DEFAULT present()
);
CREATE INDEX outbox_sent_at ON outbox_sent (sent_at);
