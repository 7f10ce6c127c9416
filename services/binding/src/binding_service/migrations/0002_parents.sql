-- A browser that asks for codes. Who holds the token may try the code; its hash is all that is kept.
CREATE TABLE login_attempts (
    id             uuid PRIMARY KEY,
    token_hash     text        NOT NULL UNIQUE,
    channel        text        NOT NULL CHECK (channel IN ('email', 'sms')),
    contact_sealed text        NOT NULL, -- place 'login_attempts:<id>:contact'
    tries_left     integer     NOT NULL,
    expires_at     timestamptz NOT NULL, -- of the newest code
    resend_at      timestamptz NOT NULL
);
CREATE INDEX login_attempts_expires ON login_attempts (expires_at);

CREATE TABLE accounts (
    id                   uuid PRIMARY KEY,
    person_hash          text        NOT NULL UNIQUE, -- keyed hash of the national ID: one account a person
    national_id_sealed   text        NOT NULL,        -- place 'accounts:<id>:national_id'
    login                text        NOT NULL UNIQUE, -- e-mail: one account an e-mail
    name                 text        NOT NULL,
    phone                text        NOT NULL,
    language             text        NOT NULL,
    password_hash        text,                        -- Argon2id; none while the first password is in force
    first_password_until timestamptz NOT NULL,
    first_password_tries integer     NOT NULL DEFAULT 0,
    opened_at            timestamptz NOT NULL,
    opened_by            uuid        NOT NULL         -- the binding whose approval opened it
);

CREATE TABLE sessions (
    id             uuid PRIMARY KEY,
    token_hash     text        NOT NULL UNIQUE,
    attempt_id     uuid, -- the login attempt that it came from
    account_id     uuid REFERENCES accounts, -- signed in with a password
    contact_hash   text        NOT NULL,
    contact_sealed text        NOT NULL, -- place 'sessions:<id>:contact'
    channel        text        NOT NULL CHECK (channel IN ('email', 'sms')),
    expires_at     timestamptz NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- What a parent has filled in so far, sealed as a whole; one for a contact, on whatever device.
CREATE TABLE drafts (
    id           uuid PRIMARY KEY,
    contact_hash text        NOT NULL UNIQUE,
    sealed       text        NOT NULL, -- place 'drafts:<id>'
    updated_at   timestamptz NOT NULL
);
CREATE INDEX drafts_updated ON drafts (updated_at);

CREATE TABLE applications (
    id                 uuid PRIMARY KEY,
    number             text        NOT NULL UNIQUE,
    contact_hash       text        NOT NULL, -- the contact proven by code
    idempotency_key    text        NOT NULL,
    person_hash        text        NOT NULL, -- keyed hash of the parent's national ID
    national_id_sealed text        NOT NULL, -- place 'applications:<id>:national_id'
    name               text        NOT NULL,
    email              text        NOT NULL,
    phone              text        NOT NULL,
    language           text        NOT NULL,
    statement_version  text        NOT NULL,
    statement_hash     text        NOT NULL,
    consented_at       timestamptz NOT NULL,
    consent_address    text        NOT NULL,
    signature_sealed   text        NOT NULL, -- place 'applications:<id>:signature'
    submitted_at       timestamptz NOT NULL,
    CONSTRAINT applications_submitted_once UNIQUE (contact_hash, idempotency_key)
);
CREATE INDEX applications_email ON applications (email);

-- By which contacts an application is reached again: the one of the login, its e-mail, its phone.
CREATE TABLE application_contacts (
    contact_hash   text NOT NULL,
    application_id uuid NOT NULL REFERENCES applications,
    PRIMARY KEY (contact_hash, application_id)
);

CREATE TABLE bindings (
    id             uuid PRIMARY KEY,
    application_id uuid        NOT NULL REFERENCES applications,
    student_id     text        NOT NULL REFERENCES students,
    person_hash    text        NOT NULL,
    school_name    text        NOT NULL, -- as the parent named it: a later move is not told to who was not approved
    class_name     text        NOT NULL,
    relation       text        NOT NULL,
    relation_text  text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('pending', 'approved', 'refused', 'withdrawn')),
    version        integer     NOT NULL,
    reason_sealed  text, -- place 'bindings:<id>:reason'
    decided_by     text,
    submitted_at   timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL,
    cleared        boolean     NOT NULL DEFAULT false -- the parent took the refusal off the list
);
CREATE INDEX bindings_application ON bindings (application_id);
-- A child waits for or is bound to one parent once.
CREATE UNIQUE INDEX bindings_once ON bindings (person_hash, student_id) WHERE state IN ('pending', 'approved');
