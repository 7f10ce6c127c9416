-- What a decision needs to know, and when it leaves. Columns that binding's older events do not fill have defaults.
ALTER TABLE bindings
    ADD COLUMN contacts           text, -- sealed, place 'bindings:<id>:contacts': ID number, e-mail, phone; until it is settled
    ADD COLUMN on_paper           boolean NOT NULL DEFAULT false,
    ADD COLUMN paper_entry_id     uuid,
    ADD COLUMN document_hash      text    NOT NULL DEFAULT '', -- what the QR code of the paper form says
    ADD COLUMN parent_teacher_ids text[]  NOT NULL DEFAULT '{}', -- teachers who are the parent: they never decide
    ADD COLUMN is_contact_shared  boolean NOT NULL DEFAULT false,
    ADD COLUMN is_known_guardian  boolean NOT NULL DEFAULT false,
    ADD COLUMN flags              text[]  NOT NULL DEFAULT '{}', -- what is unusual, kept up to date by storage.refresh
    ADD COLUMN for_administrator  boolean NOT NULL DEFAULT false, -- a custody note, or the teacher is the parent; the same
    ADD COLUMN leaves_at          timestamptz, -- until then a decision can be undone
    ADD COLUMN left_at            timestamptz, -- when it left for binding
    ADD COLUMN batch              uuid, -- decisions that were taken, and can be undone, together
    ADD COLUMN revoked_reason     text, -- sealed, place 'bindings:<id>:revoked_reason'
    ADD COLUMN revoked_by         text,
    ADD COLUMN reminded_at        timestamptz,
    ADD COLUMN escalated_at       timestamptz,
    ADD COLUMN change             bigint NOT NULL DEFAULT 0, -- of the last change: by it open pages see that there is one
    DROP CONSTRAINT bindings_state_check,
    ADD CONSTRAINT bindings_state_check CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn', 'revoked'));
-- A decision of the version before this one has left by its outbox already.
UPDATE bindings SET leaves_at = decided_at, left_at = decided_at WHERE decided_outcome IS NOT NULL;

CREATE SEQUENCE binding_changes;
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.change := nextval('binding_changes');
    RETURN NEW;
END $$;
CREATE TRIGGER bindings_change BEFORE INSERT OR UPDATE ON bindings FOR EACH ROW EXECUTE FUNCTION count_change();

-- The lists of a class and of a school, page by page, without a sort: what waits, oldest first, and what has ended.
ALTER TABLE bindings ADD COLUMN ended_at timestamptz GENERATED ALWAYS AS (coalesce(settled_at, decided_at)) STORED;
DROP INDEX bindings_class, bindings_school;
CREATE INDEX bindings_class_waiting ON bindings (class_id, submitted_at, id)
    WHERE state = 'waiting' AND decided_outcome IS NULL AND submission_version IS NOT NULL;
CREATE INDEX bindings_school_waiting ON bindings (school_id, submitted_at, id)
    WHERE state = 'waiting' AND decided_outcome IS NULL AND submission_version IS NOT NULL;
CREATE INDEX bindings_school_flagged ON bindings (school_id, submitted_at, id)
    WHERE state = 'waiting' AND decided_outcome IS NULL AND submission_version IS NOT NULL AND flags <> '{}';
CREATE INDEX bindings_class_ended ON bindings (class_id, ended_at DESC, id DESC)
    WHERE ended_at IS NOT NULL AND submission_version IS NOT NULL;
CREATE INDEX bindings_school_ended ON bindings (school_id, ended_at DESC, id DESC)
    WHERE ended_at IS NOT NULL AND submission_version IS NOT NULL;
CREATE INDEX bindings_school_state ON bindings (school_id, state, ended_at DESC, id DESC)
    WHERE ended_at IS NOT NULL AND submission_version IS NOT NULL;
CREATE INDEX bindings_class_change ON bindings (class_id, change DESC);
CREATE INDEX bindings_school_change ON bindings (school_id, change DESC);
CREATE INDEX bindings_student ON bindings (student_id);
CREATE INDEX bindings_application ON bindings (application_id);
CREATE INDEX bindings_document ON bindings (document_hash) WHERE document_hash <> '';
CREATE INDEX bindings_number ON bindings (application_number);
CREATE INDEX bindings_batch ON bindings (batch) WHERE batch IS NOT NULL;
CREATE INDEX bindings_leaving ON bindings (leaves_at) WHERE left_at IS NULL AND decided_outcome IS NOT NULL;

-- Who is in a class; a row that another class took over, or nobody, has that class or none.
CREATE TABLE students (
    id        text PRIMARY KEY,
    school_id text   NOT NULL,
    class_id  text, -- none: left
    name      text   NOT NULL, -- sealed, place 'students:<id>:name'
    revision  bigint NOT NULL
);
CREATE INDEX students_class ON students (class_id);
ALTER TABLE classes
    ADD COLUMN roster_revision bigint NOT NULL DEFAULT -1, -- of the import that last changed who is in it
    ADD COLUMN moved_to        text; -- the teacher to whom the administrator gave the class, until the roster names others
CREATE INDEX classes_moved ON classes (moved_to) WHERE moved_to IS NOT NULL;
CREATE INDEX classes_school ON classes (school_id);
CREATE INDEX teachers_school ON teachers (school_id);

-- Who stands in for a homeroom teacher, from the first day to the last, both included.
CREATE TABLE substitutes (
    id         uuid PRIMARY KEY,
    class_id   text        NOT NULL,
    teacher_id text        NOT NULL,
    first_day  date        NOT NULL,
    last_day   date        NOT NULL,
    named_by   text        NOT NULL,
    named_at   timestamptz NOT NULL DEFAULT present(),
    CHECK (first_day <= last_day)
);
CREATE INDEX substitutes_teacher ON substitutes (teacher_id, last_day);
CREATE INDEX substitutes_class ON substitutes (class_id);

-- The administrator's note about who has custody of a student: nobody else reads it, and no teacher decides then.
CREATE TABLE custody_notes (
    student_id text PRIMARY KEY,
    school_id  text        NOT NULL,
    note       text        NOT NULL, -- sealed, place 'custody_notes:<student id>:note'
    set_by     text        NOT NULL,
    set_at     timestamptz NOT NULL DEFAULT present()
);

-- The reasons that a school offers for a refusal; a school without a row has those of applications/reasons.py.
CREATE TABLE refusal_reasons (
    school_id  text PRIMARY KEY,
    words      text[]      NOT NULL,
    changed_by text        NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT present()
);

-- Applications that came on paper, as the administrator entered them, until binding has answered.
CREATE TABLE paper_entries (
    id         uuid PRIMARY KEY,
    school_id  text        NOT NULL,
    student_id text        NOT NULL,
    entered_by text        NOT NULL,
    entered_at timestamptz NOT NULL DEFAULT present(),
    state      text        NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'accepted', 'rejected')),
    typed      text, -- sealed, place 'paper_entries:<id>:typed'; gone once it is accepted
    problems   jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX paper_entries_school ON paper_entries (school_id, entered_at);
