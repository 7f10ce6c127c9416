-- A bound guardian asks the school to look at another guardian of the child. The closing may be heard of before the
-- objection itself: then the rest is still empty.
CREATE TABLE objections (
    id                  uuid PRIMARY KEY,
    binding_id          uuid, -- of the guardian who is objected to
    objector_binding_id uuid,
    reason              text, -- sealed, place 'objections:<id>:reason'
    submitted_at        timestamptz,
    state               text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'unbound', 'withdrawn')),
    note                text, -- sealed, place 'objections:<id>:note': what the administrator wrote back
    closed_by           text,
    closed_at           timestamptz
);
CREATE INDEX objections_binding ON objections (binding_id);
CREATE INDEX objections_objector ON objections (objector_binding_id);
CREATE INDEX objections_open ON objections (submitted_at) WHERE state = 'open';

-- When the parent was forgotten, because the account was deleted or all has ended long ago: what was personal in the
-- row is gone, and no later event brings it back.
ALTER TABLE bindings
    ADD COLUMN forgotten_at      timestamptz,
    ADD COLUMN ended_by_deletion boolean NOT NULL DEFAULT false; -- it was bound, or waited, until then
