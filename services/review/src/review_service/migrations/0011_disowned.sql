-- Who got a notice says that it is not theirs, or that they did not do what it tells of: about a binding, of which the
-- rest may be heard of later, or sent to one of the staff. Each notice counts once.
CREATE TABLE disowned_notices (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    binding_id  uuid,
    teacher_id  text,
    kind        text        NOT NULL, -- as notify calls it
    sent_at     timestamptz NOT NULL, -- the time in the notice's link
    disowned_at timestamptz NOT NULL DEFAULT present(),
    handled_at  timestamptz,          -- when the school's administrator had looked into it
    handled_by  text,
    CHECK (num_nonnulls(binding_id, teacher_id) = 1),
    UNIQUE (binding_id, kind, sent_at),
    UNIQUE (teacher_id, kind, sent_at)
);
CREATE INDEX disowned_notices_open ON disowned_notices (disowned_at) WHERE handled_at IS NULL;
