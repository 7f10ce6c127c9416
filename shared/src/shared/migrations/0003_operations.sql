-- What the operator's command asks of this service: a row each, done by whichever process takes it, and told in the row.
-- The operator's role may add such rows and read them, and nothing else here that holds more than ids, types and times.
CREATE TABLE operator_tasks (
    id          uuid PRIMARY KEY,
    kind        text        NOT NULL,
    arguments   jsonb       NOT NULL DEFAULT '{}',
    asked_at    timestamptz NOT NULL DEFAULT present(),
    lease_until timestamptz,                       -- until then a process says that it is at it
    progress    text        NOT NULL DEFAULT '',
    ended_at    timestamptz,
    result      jsonb,
    problem     text                               -- a sentence, where it could not be done
);
CREATE INDEX operator_tasks_open ON operator_tasks (asked_at) WHERE ended_at IS NULL;

-- How far the sealed values of a column have been sealed anew under the key in key_id: the rows up to last have been.
CREATE TABLE resealings (
    place      text PRIMARY KEY, -- table.column
    key_id     text        NOT NULL,
    last       text        NOT NULL,
    resealed   bigint      NOT NULL DEFAULT 0,
    left_over  bigint      NOT NULL DEFAULT 0, -- rows that no key opened, or whose new hash another row has
    updated_at timestamptz NOT NULL DEFAULT present(),
    ended_at   timestamptz
);
