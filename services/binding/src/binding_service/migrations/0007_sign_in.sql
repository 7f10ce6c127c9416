-- Sessions end when they are not used: expires_at moves with their use, at most to ends_at. A process of the version
-- before this one leaves ends_at null, and its sessions end when it said. Browser and system are words made of the user
-- agent, which is not kept, nor is the client address.
ALTER TABLE sessions
    ADD COLUMN ends_at      timestamptz,
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT present(),
    ADD COLUMN browser      text        NOT NULL DEFAULT '',
    ADD COLUMN system       text        NOT NULL DEFAULT '';
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_contact ON sessions (contact_hash);

-- Browsers in which an account was signed in to: each keeps a token in a cookie, here is its hash. What is tried from
-- there counts for itself, so that no stranger keeps a parent out; a sign-in from anywhere else is told by mail.
CREATE TABLE account_devices (
    account_id uuid        NOT NULL REFERENCES accounts ON DELETE CASCADE,
    token_hash text        NOT NULL,
    used_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, token_hash)
);
CREATE INDEX account_devices_used ON account_devices (used_at);

-- What the owner of an account was told of by mail, with the link "this was not me": who holds the token may end all
-- sessions and the password once, and have the contact back that was there before.
CREATE TABLE account_notices (
    id                uuid PRIMARY KEY,
    account_id        uuid        NOT NULL REFERENCES accounts ON DELETE CASCADE,
    kind              text        NOT NULL,
    token_hash        text        NOT NULL UNIQUE,
    email_before      text, -- of a changed e-mail
    phone_before      text, -- of a changed phone
    created_at        timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    used_at           timestamptz
);
CREATE INDEX account_notices_account ON account_notices (account_id, created_at);
CREATE INDEX account_notices_email ON account_notices (email_before);
CREATE INDEX account_notices_expires ON account_notices (expires_at);

-- A contact that is to replace the account's, until a code has proven it. The id is otp's login attempt.
CREATE TABLE contact_changes (
    id             uuid PRIMARY KEY,
    account_id     uuid        NOT NULL REFERENCES accounts ON DELETE CASCADE,
    channel        text        NOT NULL CHECK (channel IN ('email', 'sms')),
    contact_sealed text        NOT NULL, -- place 'contact_changes:<id>:contact'
    tries_left     integer     NOT NULL,
    expires_at     timestamptz NOT NULL,
    resend_at      timestamptz NOT NULL,
    UNIQUE (account_id, channel)
);
CREATE INDEX contact_changes_expires ON contact_changes (expires_at);
