-- Who has come in by a code that its reader disowns.
CREATE INDEX CONCURRENTLY IF NOT EXISTS sessions_attempt ON sessions (attempt_id);
