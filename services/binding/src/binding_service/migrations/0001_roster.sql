-- What the schools told us. Ids are OneRoster sourcedIds. A row that an import no longer has becomes inactive; nothing
-- is deleted. revision is the import that last changed the row.
CREATE TABLE roster_imports (
    revision    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    report      jsonb
);

CREATE TABLE schools (
    id       text PRIMARY KEY,
    code     text    NOT NULL,
    name     text    NOT NULL,
    level    text    NOT NULL CHECK (level IN ('elementary', 'junior_high', 'senior_high', 'vocational_high')),
    revision bigint  NOT NULL,
    active   boolean NOT NULL
);
CREATE INDEX schools_level ON schools (level, name) WHERE active;

CREATE TABLE classes (
    id          text PRIMARY KEY,
    school_id   text    NOT NULL REFERENCES schools,
    name        text    NOT NULL,
    teacher_ids text[]  NOT NULL, -- homeroom teachers
    revision    bigint  NOT NULL,
    active      boolean NOT NULL
);

CREATE TABLE teachers (
    id               text PRIMARY KEY,
    school_id        text    NOT NULL REFERENCES schools,
    role             text    NOT NULL CHECK (role IN ('teacher', 'administrator')),
    name             text    NOT NULL,
    email            text    NOT NULL,
    national_id_hash text,    -- keyed hash; tells whether a teacher is the parent
    revision         bigint  NOT NULL,
    active           boolean NOT NULL
);

CREATE TABLE students (
    id                 text PRIMARY KEY,
    school_id          text    NOT NULL REFERENCES schools,
    class_id           text    NOT NULL REFERENCES classes,
    name               text    NOT NULL,
    national_id_hash   text    NOT NULL, -- keyed hash: found by it
    national_id_sealed text    NOT NULL, -- AES-GCM, place 'students:<id>:national_id'
    revision           bigint  NOT NULL,
    active             boolean NOT NULL
);
CREATE UNIQUE INDEX students_national_id ON students (national_id_hash) WHERE active;
CREATE INDEX students_class ON students (class_id);
