-- One row a message, and what became of it. Personal data stands only in letter, sealed for 'messages:<id>', and only
-- until the message is settled.
CREATE TABLE messages (
    id             uuid PRIMARY KEY,
    kind           text        NOT NULL,
    cause          text        NOT NULL, -- what it tells of: the code's event, the binding and its version, …
    channel        text        NOT NULL CHECK (channel IN ('email', 'sms')),
    state          text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed', 'dropped')),
    letter         text,
    correlation_id text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT present(),
    expires_at     timestamptz NOT NULL, -- worth nothing after that
    due_at         timestamptz NOT NULL DEFAULT present(), -- of a claimed row: when its claim ends
    claimed        boolean     NOT NULL DEFAULT false,
    tries          integer     NOT NULL DEFAULT 0,
    unsure         integer     NOT NULL DEFAULT 0, -- tries whose outcome was never learned: a second copy may be out
    provider       text,
    settled_at     timestamptz,
    last_error     text, -- the fault's name and code
    CONSTRAINT messages_once UNIQUE (kind, cause, channel),
    CONSTRAINT messages_letter CHECK ((state = 'waiting') = (letter IS NOT NULL))
);
CREATE INDEX messages_due ON messages (due_at) WHERE state = 'waiting';

-- Development only: what would have been sent, for people and tests to read.
CREATE TABLE mailbox (
    id          uuid PRIMARY KEY,
    kind        text        NOT NULL,
    channel     text        NOT NULL,
    recipient   text        NOT NULL,
    subject     text        NOT NULL,
    body        text        NOT NULL,
    html        text        NOT NULL,
    arrived_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX mailbox_recipient ON mailbox (recipient, arrived_at);
