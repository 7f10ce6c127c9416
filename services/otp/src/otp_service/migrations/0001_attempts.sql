-- One row a login attempt: its newest code. A code lives in the attempt that asked for it and nowhere else.
CREATE TABLE attempts (
    id           uuid PRIMARY KEY,
    code_hash    text        NOT NULL,
    contact_hash text        NOT NULL, -- where it went
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    tries        integer     NOT NULL DEFAULT 0,
    redeemed_by  uuid -- the try that won
);
CREATE INDEX attempts_expires ON attempts (expires_at);

-- Answers that were given: a request whose answer was lost is asked again and answered alike.
CREATE TABLE answers (
    request_id uuid PRIMARY KEY,
    question   text        NOT NULL, -- keyed hash of what was asked, so an id cannot be used for another question
    answer     jsonb       NOT NULL,
    given_at   timestamptz NOT NULL
);
CREATE INDEX answers_given ON answers (given_at);
