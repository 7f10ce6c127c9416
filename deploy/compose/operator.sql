-- What the role of the operator's command (kinbind) may do, in a database with the schemas of one or all services.
-- Run by roles.sh, and again after migrations: it grants on the tables that are there, and changes nothing else.
-- No body of an event, no sealed value, nobody's name is within its reach.
SET client_min_messages = warning;

DO $$
DECLARE
    service text;
    granted record;
BEGIN
    FOR service IN SELECT nspname FROM pg_namespace WHERE nspname IN ('otp', 'binding', 'review', 'notify') LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO operator', service);
        FOR granted IN SELECT * FROM (VALUES
            -- Which migrations are applied.
            ('migrations', 'SELECT'),
            -- Events that wait, all but their bodies; trying one again now is a change of when it is due.
            ('outbox', 'SELECT (id, type, correlation_id, recorded_at, due_at, tries, last_error), UPDATE (due_at)'),
            -- What was published lately, all but the bodies.
            ('outbox_sent', 'SELECT (id, type, correlation_id, sent_at)'),
            -- What is asked of the service, and how far it is.
            ('operator_tasks', 'SELECT, INSERT (id, kind, arguments)'),
            ('resealings', 'SELECT')
        ) AS grants (relation, rights) LOOP
            IF to_regclass(format('%I.%I', service, granted.relation)) IS NOT NULL THEN
                EXECUTE format('GRANT %s ON %I.%I TO operator', granted.rights, service, granted.relation);
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- What operators did, and why. Lines are only ever added: the table is not the operator's own.
CREATE SCHEMA IF NOT EXISTS operations;
CREATE TABLE IF NOT EXISTS operations.acts (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    who        text        NOT NULL,
    act        text        NOT NULL, -- dead-letters drop, outbox retry, replay, keys rotate, notices pause sms, …
    queue      text        NOT NULL DEFAULT '',
    event_id   text        NOT NULL DEFAULT '',
    event_type text        NOT NULL DEFAULT '',
    reason     text        NOT NULL DEFAULT ''
);
GRANT USAGE ON SCHEMA operations TO operator;
GRANT SELECT, INSERT ON operations.acts TO operator;
