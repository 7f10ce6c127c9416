-- Told of a change until 0009 gave the records fingerprints; nothing has read or written it since.
ALTER TABLE roster_users DROP COLUMN person_hash;
