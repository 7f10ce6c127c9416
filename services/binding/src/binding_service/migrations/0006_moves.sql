-- Where review was last told that the child is: of a binding that waits, or has ended. While the two are bound that is
-- what the roster says. Empty while a process of the version before this one still writes.
ALTER TABLE bindings
    ADD COLUMN told_school_id text,
    ADD COLUMN told_class_id  text,
    -- Since when the roster has no such student: what is bound is kept, what waited was refused for that reason.
    ADD COLUMN left_on        date;
-- A child that is still in the school and class that the parent named has not moved since.
UPDATE bindings SET told_school_id = students.school_id, told_class_id = students.class_id
FROM students JOIN schools ON schools.id = students.school_id JOIN classes ON classes.id = students.class_id
WHERE students.id = bindings.student_id AND schools.name = school_name AND classes.name = class_name;

-- Which bindings are a student's.
CREATE INDEX bindings_student ON bindings (student_id);
