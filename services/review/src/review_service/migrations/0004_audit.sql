-- Who did or looked at what, in one chain a school: a line's hash is keyed, and over the hash before it and every
-- column. The key is not here, so who can write here can break a chain, never mend it.
DROP INDEX audit_subject;
ALTER TABLE audit RENAME TO audit_before;
ALTER TABLE audit_before RENAME CONSTRAINT audit_pkey TO audit_before_pkey;
ALTER TABLE audit_before
    ADD COLUMN school_id text NOT NULL DEFAULT '',
    ADD COLUMN role      text NOT NULL DEFAULT '';
UPDATE audit_before SET school_id = teachers.school_id, role = teachers.role FROM teachers WHERE teachers.id = teacher_id;
UPDATE audit_before SET role = 'operator' WHERE teacher_id = 'operator';
-- Lines of before the chain: the first line of a school's chain finds them here and puts them into it before itself.
CREATE INDEX audit_before_school ON audit_before (school_id, id);

CREATE TABLE audit (
    id          bigint      NOT NULL, -- in the order of all schools
    school_id   text        NOT NULL, -- '': the operator's chain
    position    bigint      NOT NULL, -- 1, 2, 3… in the school's chain
    happened_at timestamptz NOT NULL,
    teacher_id  text        NOT NULL, -- who: a teacher, 'operator', or '' for somebody unknown
    role        text        NOT NULL,
    action      text        NOT NULL,
    subject     text        NOT NULL, -- the id of what it was done to
    address     text        NOT NULL, -- the client's; '' at the command line
    hash        text        NOT NULL,
    PRIMARY KEY (school_id, position)
);
CREATE INDEX audit_subject ON audit (subject, id);
CREATE SEQUENCE audit_ids;
SELECT setval('audit_ids', coalesce(max(id), 0) + 1, false) FROM audit_before;

-- The end of a school's chain, which is the caller's alone until its transaction ends. In a function because each
-- statement of one sees what was committed while the one before it waited; one statement would not.
CREATE FUNCTION audit_head(
    school text, OUT line_id bigint, OUT moment timestamptz, OUT head_position bigint, OUT head_hash text
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' audit ' || school, 0));
    SELECT position, hash INTO head_position, head_hash FROM audit
        WHERE school_id = school ORDER BY position DESC LIMIT 1;
    head_position := coalesce(head_position, 0);
    head_hash := coalesce(head_hash, '');
    line_id := nextval('audit_ids');
    moment := present();
END $$;

-- Lines are only ever added: the role that owns them gives up every other right, and whoever has them by being a
-- superuser meets the trigger.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'lines of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_changed BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON audit_before
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE audit ENABLE ALWAYS TRIGGER only_added;
ALTER TABLE audit_before ENABLE ALWAYS TRIGGER never_changed;
REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES ON audit FROM CURRENT_USER;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES ON audit_before FROM CURRENT_USER;
