-- What binding's events told. They arrive in any order, so nothing here refers to a row that may not be there yet.
-- revision is the import that last changed the row: an older one changes nothing.
CREATE TABLE schools (
    id       text PRIMARY KEY,
    code     text    NOT NULL,
    name     text    NOT NULL,
    level    text    NOT NULL,
    revision bigint  NOT NULL,
    active   boolean NOT NULL
);

CREATE TABLE classes (
    id          text PRIMARY KEY,
    school_id   text    NOT NULL,
    name        text    NOT NULL,
    teacher_ids text[]  NOT NULL, -- homeroom teachers
    revision    bigint  NOT NULL,
    active      boolean NOT NULL
);
CREATE INDEX classes_teachers ON classes USING gin (teacher_ids) WHERE active;

CREATE TABLE teachers (
    id        text PRIMARY KEY,
    school_id text    NOT NULL,
    role      text    NOT NULL CHECK (role IN ('teacher', 'administrator')),
    details   text    NOT NULL, -- sealed name and e-mail, place 'teachers:<id>:details'
    revision  bigint  NOT NULL,
    active    boolean NOT NULL
);

-- One row a binding. The state is that of the highest version heard of, and only binding changes it; what was
-- submitted is that of the highest submission. A withdrawal may come first: then the submitted part is still empty.
CREATE TABLE bindings (
    id                 uuid PRIMARY KEY,
    version            bigint NOT NULL,
    state              text   NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn')),
    settled_at         timestamptz, -- when binding left 'waiting'

    submission_version bigint,
    application_id     uuid,
    application_number text,
    student_id         text,
    school_id          text,
    class_id           text,
    relation           text,
    submitted_at       timestamptz,
    statement_version  text,
    names              text, -- sealed, place 'bindings:<id>:names': what a list shows
    details            text, -- sealed, place 'bindings:<id>:details': masked ID and contacts, the signature

    decided_outcome    text CHECK (decided_outcome IN ('approve', 'refuse')),
    decided_by         text,
    decided_at         timestamptz,
    reason             text, -- sealed, place 'bindings:<id>:reason'
    CHECK ((submission_version IS NULL) = (details IS NULL)),
    CHECK ((decided_outcome IS NULL) = (decided_by IS NULL))
);
CREATE INDEX bindings_class ON bindings (class_id, submitted_at);
CREATE INDEX bindings_school ON bindings (school_id, submitted_at);

-- Local accounts of teachers. The teacher's own row may come later.
CREATE TABLE accounts (
    teacher_id    text PRIMARY KEY,
    username      text        NOT NULL CONSTRAINT accounts_username UNIQUE,
    password_hash text        NOT NULL, -- Argon2id
    opened_at     timestamptz NOT NULL DEFAULT present()
);

CREATE TABLE sessions (
    token_hash text PRIMARY KEY, -- keyed hash: who reads this table cannot sign in with it
    teacher_id text        NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT present(),
    seen_at    timestamptz NOT NULL DEFAULT present(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires ON sessions (expires_at);
CREATE INDEX sessions_teacher ON sessions (teacher_id);

-- Who did or looked at what. Rows are only ever added.
CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT present(),
    teacher_id  text        NOT NULL,
    action      text        NOT NULL,
    subject     text        NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, id);
