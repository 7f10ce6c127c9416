-- The operators' page: who is signed in, what they did, and ways to the messages that they look for.
CREATE TABLE operator_sessions (
    token_hash text PRIMARY KEY, -- of the cookie
    key_hash   text        NOT NULL, -- of the operator's token: where the settings no longer hold it, the session is over
    began_at   timestamptz NOT NULL DEFAULT present(),
    expires_at timestamptz NOT NULL
);

-- Names are those of the settings. What somebody looked for stands in words of ours (state, kind, channel, provider).
CREATE TABLE operator_acts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT present(),
    operator   text        NOT NULL, -- empty: nobody's token
    act        text        NOT NULL CHECK (act IN ('signed_in', 'refused', 'signed_out', 'sent_again')),
    message_id uuid,
    messages   integer     NOT NULL DEFAULT 0, -- sent again by this act
    wanted     jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX operator_acts_at ON operator_acts (at);
CREATE INDEX operator_acts_message ON operator_acts (message_id) WHERE message_id IS NOT NULL;

-- Newest first, all of them or of one kind or provider; and what did not end well, which is little.
DROP INDEX messages_created; -- beside the version before: it asks for none by it
CREATE INDEX messages_newest ON messages (created_at, id);
CREATE INDEX messages_unsent ON messages (state, created_at, id) WHERE state <> 'sent';
CREATE INDEX messages_of_kind ON messages (kind, created_at, id);
CREATE INDEX messages_of_provider ON messages (provider, created_at, id);
CREATE INDEX messages_settled ON messages (settled_at);
CREATE INDEX message_tries_of_provider ON message_tries (provider, began_at);
