-- One row a run of the purge: what went, by kind. A run that was killed half-way has no end, and what it had done.
CREATE TABLE retention_reports (
    id       uuid PRIMARY KEY,
    began_at timestamptz NOT NULL DEFAULT present(),
    ended_at timestamptz,
    counts   jsonb       NOT NULL DEFAULT '{}',
    failed   text[]      NOT NULL DEFAULT '{}' -- kinds that the database refused to purge: the log says why
);
CREATE INDEX retention_reports_began ON retention_reports (began_at);
