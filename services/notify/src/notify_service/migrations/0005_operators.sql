-- The operators' page: who is signed in, and what they did.
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
