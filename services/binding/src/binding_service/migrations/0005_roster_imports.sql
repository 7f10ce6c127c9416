-- The records of the imported files, as an import has read them: a delta file has only those that changed. Nothing looks
-- one of them up; an import joins whole tables, so they have no index. modified is the record's own time, where a file
-- told it; a record that is gone is remembered where it has one, so that an older file does not bring it back.
CREATE TABLE roster_orgs (
    id        text    NOT NULL,
    modified  timestamptz,
    gone      boolean NOT NULL,
    code      text,
    name      text,
    level     text,
    is_school boolean
);
CREATE TABLE roster_classes (
    id        text    NOT NULL,
    modified  timestamptz,
    gone      boolean NOT NULL,
    school_id text,
    name      text,
    levels    text, -- U+001E between them, as in the other lists here
    homeroom  boolean
);
-- Name and e-mail address are empty of somebody who is a guardian: person_sealed has them.
CREATE TABLE roster_users (
    id            text    NOT NULL,
    modified      timestamptz,
    gone          boolean NOT NULL,
    name          text,
    email         text,
    email_problem text,
    id_hash       text,
    id_sealed     text, -- place 'students:<id>:national_id'
    id_column     text,
    id_problem    text,
    agents        text,
    name_hash     text,
    email_hash    text,
    phone_hashes  text,
    shown_sealed  text, -- place 'guardians:<id>:shown'
    person_hash   text,
    person_sealed text  -- name, e-mail address and telephones; place 'roster_users:<id>:person'
);
CREATE TABLE roster_roles (
    id       text    NOT NULL,
    modified timestamptz,
    gone     boolean NOT NULL,
    user_id  text,
    org_id   text,
    kind     text,
    main     boolean,
    ends     date
);
CREATE TABLE roster_enrollments (
    id       text    NOT NULL,
    modified timestamptz,
    gone     boolean NOT NULL,
    class_id text,
    user_id  text,
    role     text,
    ends     date
);

-- Who has sent an import over HTTP, and as which (roster_pushes); null for the command.
ALTER TABLE roster_imports ADD COLUMN pushed_by text, ADD COLUMN push_id uuid UNIQUE;

-- Imports that came over HTTP. One that is running says so again and again (seen_at): where it no longer does, the
-- process is gone, and nothing of the import went in.
CREATE TABLE roster_pushes (
    id              uuid PRIMARY KEY,
    pushed_by       text        NOT NULL,
    idempotency_key text,
    choices         jsonb       NOT NULL,
    state           text        NOT NULL CHECK (state IN ('running', 'done', 'refused', 'failed')),
    reason          text        NOT NULL DEFAULT '', -- a sentence, where it was refused or failed
    progress        jsonb,                           -- phase, file and lines of one that is running
    report          jsonb,
    started_at      timestamptz NOT NULL DEFAULT now(),
    seen_at         timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    CONSTRAINT roster_pushes_once UNIQUE (pushed_by, idempotency_key)
);
CREATE UNIQUE INDEX roster_pushes_running ON roster_pushes ((true)) WHERE state = 'running';
