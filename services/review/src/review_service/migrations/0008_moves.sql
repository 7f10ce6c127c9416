-- What binding told of a binding's place, with which version. school_id and class_id are where it is now: of what is
-- bound, where the roster has the student.
ALTER TABLE bindings
    ADD COLUMN told_school_id text,
    ADD COLUMN told_class_id  text,
    ADD COLUMN told_version   bigint,
    ADD COLUMN left_on        date; -- since when the roster has no such student
UPDATE bindings SET told_school_id = school_id, told_class_id = class_id, told_version = submission_version
WHERE submission_version IS NOT NULL;
-- Until now what was bound stayed where it had been applied for.
UPDATE bindings SET school_id = students.school_id, class_id = students.class_id
FROM students WHERE students.id = student_id AND students.class_id IS NOT NULL AND state = 'approved';
