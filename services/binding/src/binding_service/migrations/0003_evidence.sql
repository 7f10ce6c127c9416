-- What was signed, as one fixed text known by its hash; an application from before this has none.
ALTER TABLE applications
    ADD COLUMN statement_language text NOT NULL DEFAULT 'zh-TW',
    ADD COLUMN signed_sealed      text, -- place 'applications:<id>:signed'
    ADD COLUMN signed_hash        text; -- SHA-256, in hex
CREATE UNIQUE INDEX applications_signed_hash ON applications (signed_hash);

-- A contact that nobody has proven (a phone that was only typed) reaches the application, but sees no ID number.
ALTER TABLE application_contacts ADD COLUMN proven boolean NOT NULL DEFAULT false;
UPDATE application_contacts SET proven = true FROM applications
WHERE applications.id = application_id AND applications.contact_hash = application_contacts.contact_hash;

-- The paper forms that were given out, so that a file can be recognised.
CREATE TABLE paper_forms (
    file_hash      text PRIMARY KEY, -- SHA-256 of the PDF, in hex
    application_id uuid        NOT NULL REFERENCES applications,
    made_at        timestamptz NOT NULL DEFAULT present()
);

-- When the contact was proven: part of what is kept with a signature.
ALTER TABLE sessions ADD COLUMN proven_at timestamptz NOT NULL DEFAULT present();

-- The school that the parent named: where a child is looked for when a refused application is sent again. Empty for a
-- child that has moved since, whose new school nobody may learn that way, and while a process of the version before this
-- one still writes.
ALTER TABLE bindings ADD COLUMN school_id text;
UPDATE bindings SET school_id = schools.id FROM students JOIN schools ON schools.id = students.school_id
WHERE students.id = bindings.student_id AND schools.name = bindings.school_name;
