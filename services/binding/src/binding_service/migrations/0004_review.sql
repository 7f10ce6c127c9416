-- The guardians whom a school already knows, by OneRoster's agentSourcedIds of their children. Nothing personal in the
-- clear: hashes to compare with, and what is shown of them, sealed.
CREATE TABLE guardians (
    id               text PRIMARY KEY,
    role             text    NOT NULL CHECK (role IN ('parent', 'guardian', 'relative')),
    national_id_hash text,             -- keyed hash, where the roster has the number
    name_hash        text    NOT NULL, -- keyed hash; tells whether the name has changed
    email_hash       text,             -- keyed hash of a contact, as in application_contacts
    phone_hashes     text[]  NOT NULL, -- the same
    shown_sealed     text    NOT NULL, -- name, masked contacts; place 'guardians:<id>:shown'
    revision         bigint  NOT NULL,
    active           boolean NOT NULL
);
-- A process of the version before this one writes students without them.
ALTER TABLE students ADD COLUMN guardian_ids text[] NOT NULL DEFAULT '{}';

-- Who of the staff is the parent; another family with the same contact; all children of a person.
CREATE INDEX teachers_national_id ON teachers (national_id_hash);
CREATE INDEX bindings_person ON bindings (person_hash);

-- The school ended a binding that was approved. The reason is sealed like that of a refusal.
ALTER TABLE bindings
    DROP CONSTRAINT bindings_state_check,
    ADD CONSTRAINT bindings_state_check CHECK (state IN ('pending', 'approved', 'refused', 'withdrawn', 'revoked'));

-- What a school's administrator entered from paper, and the answer: an application, or what is wrong.
CREATE TABLE paper_entries (
    id             uuid PRIMARY KEY,
    entered_by     text        NOT NULL,
    signed_on      date        NOT NULL, -- the day on the paper
    application_id uuid UNIQUE REFERENCES applications,
    problems       jsonb,                -- field and code
    answered_at    timestamptz NOT NULL DEFAULT present(),
    CONSTRAINT paper_entries_answer CHECK ((application_id IS NULL) <> (problems IS NULL))
);
-- An application on paper has no contact that was proven, no consent from an address, no signature but the one that the
-- school keeps. All of these are null together, so one that came online still has all.
ALTER TABLE applications
    ALTER COLUMN contact_hash DROP NOT NULL,
    ALTER COLUMN idempotency_key DROP NOT NULL,
    ALTER COLUMN consented_at DROP NOT NULL,
    ALTER COLUMN consent_address DROP NOT NULL,
    ALTER COLUMN signature_sealed DROP NOT NULL,
    ADD CONSTRAINT applications_online_or_on_paper
        CHECK (num_nulls(contact_hash, idempotency_key, consented_at, consent_address, signature_sealed) IN (0, 5));
