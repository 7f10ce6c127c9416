-- A school system may give the id of a child who left to another child. Then the row of students becomes that child's,
-- and what the former one's bindings refer to stays as a row of its own: former_of is the id that it had in the roster,
-- for which its national_id_sealed is sealed (place 'students:<former_of>:national_id').
ALTER TABLE students ADD COLUMN former_of text;
CREATE INDEX students_former ON students (former_of) WHERE former_of IS NOT NULL;

-- A trigger, because processes of the version before import too, and because nothing of the former child is left in
-- the row afterwards. An import makes inactive what it changes before it writes it anew, under its own revision: a row
-- with an older one was inactive before. The hash differs too where only its key does: the follow-up finds that out.
CREATE FUNCTION keep_former_student() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    former text := OLD.id || '~' || gen_random_uuid();
BEGIN
    IF EXISTS (SELECT FROM bindings WHERE student_id = OLD.id) THEN
        INSERT INTO students (id, school_id, class_id, name, national_id_hash, national_id_sealed, revision, active,
                              former_of)
        VALUES (former, OLD.school_id, OLD.class_id, OLD.name, OLD.national_id_hash, OLD.national_id_sealed,
                NEW.revision, false, OLD.id);
        UPDATE bindings SET student_id = former WHERE student_id = OLD.id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_former_student BEFORE UPDATE ON students FOR EACH ROW
WHEN (NOT OLD.active AND NEW.active AND OLD.revision <> NEW.revision AND OLD.national_id_hash <> NEW.national_id_hash)
EXECUTE FUNCTION keep_former_student();
