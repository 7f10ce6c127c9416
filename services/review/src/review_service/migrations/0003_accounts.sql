-- Local accounts that somebody else opened or reset, single sign-on, and who is kept out.
ALTER TABLE accounts
    ADD COLUMN must_change  boolean NOT NULL DEFAULT false, -- somebody else knows the password
    ADD COLUMN expires_at   timestamptz, -- until when a start password opens the account
    ADD COLUMN resets       integer NOT NULL DEFAULT 0, -- wrong passwords are counted since the last one
    ADD COLUMN locked_until timestamptz; -- what the administrator is shown; the counts themselves are in rate_limits

-- How a teacher comes in, with a local account or without one.
CREATE TABLE access (
    teacher_id   text PRIMARY KEY,
    signed_in_at timestamptz,
    signed_in_by text CHECK (signed_in_by IN ('password', 'single-sign-on')),
    closed_at    timestamptz, -- neither way leads in
    closed_by    text
);

-- A session of single sign-on needs no local account.
ALTER TABLE sessions
    DROP CONSTRAINT sessions_teacher_id_fkey,
    ADD COLUMN way  text NOT NULL DEFAULT 'password' CHECK (way IN ('password', 'single-sign-on')),
    ADD COLUMN kept text; -- sealed, place 'sessions:<teacher id>:kept': a form that was sent when the session was over

-- Keyed hash of the e-mail, by which single sign-on may know a teacher.
ALTER TABLE teachers ADD COLUMN email_hash text;
CREATE INDEX teachers_email ON teachers (email_hash);

-- Sign-ins that are at the provider. A row is taken once.
CREATE TABLE sign_ins_under_way (
    state_hash   text PRIMARY KEY,
    browser_hash text        NOT NULL, -- of the cookie of the browser that began it
    secrets      text        NOT NULL, -- sealed, place 'sign_ins_under_way:<state hash>:secrets'
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sign_ins_under_way_expires ON sign_ins_under_way (expires_at);
