-- A POST that creates and came with an Idempotency-Key, and its answer, for who did not get that: kept for a day.
CREATE TABLE idempotent_requests (
    id            uuid PRIMARY KEY,     -- made from the keyed hash of session, path and key
    fingerprint   text        NOT NULL, -- keyed hash of the body
    answer_sealed text,                 -- place 'idempotent_requests:<id>:answer'; none as long as the request runs
    begun_at      timestamptz NOT NULL DEFAULT present()
);
CREATE INDEX idempotent_requests_begun ON idempotent_requests (begun_at);
