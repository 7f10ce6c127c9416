-- 64 bits of each record's text under a key (binding_service.roster.fingerprints): a line that has one of these says
-- what is kept already. Null where an earlier release has kept the record.
ALTER TABLE roster_orgs ADD COLUMN fingerprint bigint;
ALTER TABLE roster_classes ADD COLUMN fingerprint bigint;
ALTER TABLE roster_users ADD COLUMN fingerprint bigint;
ALTER TABLE roster_roles ADD COLUMN fingerprint bigint;
ALTER TABLE roster_enrollments ADD COLUMN fingerprint bigint;
-- roster_users.person_hash told of a change, as the fingerprint does now. An earlier release that runs beside fills it.

-- An import checks whole tables against each other before it writes, and what it wrote once more (refuse_strays): to look
-- up a class and a school for each of 300,000 students took half of the time of writing them.
ALTER TABLE students DROP CONSTRAINT students_school_id_fkey, DROP CONSTRAINT students_class_id_fkey;
