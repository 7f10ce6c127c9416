-- A guardian asks the school to look at another guardian of the same child, who was bound later. Both are bindings.
CREATE TABLE objections (
    id                  uuid PRIMARY KEY,
    binding_id          uuid        NOT NULL REFERENCES bindings, -- of the guardian who is objected to
    objector_binding_id uuid        NOT NULL REFERENCES bindings,
    reason_sealed       text,                                     -- place 'objections:<id>:reason'; none once erased
    note_sealed         text,                                     -- what the school wrote; place 'objections:<id>:note'
    outcome             text CHECK (outcome IN ('answered', 'unbound', 'withdrawn')), -- none: it waits for the school
    decided_by          text,
    submitted_at        timestamptz NOT NULL DEFAULT present(),
    closed_at           timestamptz,
    CHECK ((outcome IS NULL) = (closed_at IS NULL))
);
CREATE UNIQUE INDEX objections_open ON objections (binding_id, objector_binding_id) WHERE outcome IS NULL;
CREATE INDEX objections_objector ON objections (objector_binding_id);

-- Accounts that are to be deleted, unless that is taken back before it is due.
CREATE TABLE account_deletions (
    account_id uuid PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    asked_at   timestamptz NOT NULL DEFAULT present(),
    due_at     timestamptz NOT NULL
);
CREATE INDEX account_deletions_due ON account_deletions (due_at);

-- When an application's personal data was erased: what is left are ids, states and times.
ALTER TABLE applications ADD COLUMN erased_at timestamptz;
CREATE INDEX applications_not_erased ON applications (submitted_at) WHERE erased_at IS NULL;
CREATE INDEX applications_person ON applications (person_hash);
CREATE INDEX paper_entries_answered ON paper_entries (answered_at);
