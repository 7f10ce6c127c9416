-- 64 bits of each record's text under a key (binding_service.roster.fingerprints): a line that has one of these says
-- what is kept already. Null where an earlier release has kept the record.
ALTER TABLE roster_orgs ADD COLUMN fingerprint bigint;
ALTER TABLE roster_classes ADD COLUMN fingerprint bigint;
ALTER TABLE roster_users ADD COLUMN fingerprint bigint;
ALTER TABLE roster_roles ADD COLUMN fingerprint bigint;
ALTER TABLE roster_enrollments ADD COLUMN fingerprint bigint;
