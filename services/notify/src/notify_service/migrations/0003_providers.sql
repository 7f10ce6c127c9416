-- Several providers a channel: each try to hand a message over has its row, written before the provider is asked. What
-- has no end was never heard of again.
CREATE TABLE message_tries (
    -- Known to the provider alone, in the address that its receipt goes to: shown nowhere.
    id          uuid PRIMARY KEY,
    message_id  uuid        NOT NULL REFERENCES messages ON DELETE CASCADE,
    provider    text        NOT NULL,
    began_at    timestamptz NOT NULL DEFAULT present(),
    ended_at    timestamptz,
    outcome     text
        CHECK (outcome IN ('accepted', 'temporary', 'permanent', 'declined', 'technical', 'unknown')),
    reason      text, -- the fault's name and code
    provider_id text, -- what the provider calls the message
    receipt     text        CHECK (receipt IN ('delivered', 'undelivered')),
    receipt_at  timestamptz,
    receipt_why text,
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX message_tries_message ON message_tries (message_id, began_at);
CREATE INDEX message_tries_of_provider ON message_tries (provider, began_at);

-- contact: masked. fault: what last_error is one of, or 'limit'. asked: the provider whose answer was lost last.
ALTER TABLE messages
    ADD COLUMN contact text NOT NULL DEFAULT '',
    ADD COLUMN fault text,
    ADD COLUMN asked text,
    ADD COLUMN delivered_at timestamptz;

-- What has failed may keep its contents for some days, to be sent again.
ALTER TABLE messages DROP CONSTRAINT messages_letter; -- beside the version before: the next one asks for less
ALTER TABLE messages ADD CONSTRAINT messages_contents CHECK (letter IS NOT NULL OR state <> 'waiting') NOT VALID, -- beside the version before: the former one says it
    ADD CONSTRAINT messages_contents_gone CHECK (letter IS NULL OR state IN ('waiting', 'failed')) NOT VALID; -- beside the version before: the same
