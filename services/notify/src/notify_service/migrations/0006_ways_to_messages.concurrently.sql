-- Each message costs an entry in every one of them, whenever its row changes: none is here that only saves a little.
-- Newest first, all of them or of one kind or provider, and what did not end well, which is little.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_newest ON messages (created_at, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_unsent ON messages (state, created_at, id) WHERE state <> 'sent';
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_of_kind ON messages (kind, created_at, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_of_provider ON messages (provider, created_at, id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_settled ON messages (settled_at);
-- What messages tell of, for when somebody is forgotten, and those whose contact the purge has yet to clear.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_about ON messages (split_part(cause, ':', 1));
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_with_contact ON messages (settled_at) WHERE contact <> '';
-- What is sent next of what waits: codes and others in lanes of their own, so that no heap is read to find a code behind it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_next ON messages (channel, (kind = 'code'), due_at) WHERE state = 'waiting';
-- What has come too late.
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_expiring ON messages (expires_at) WHERE state = 'waiting';

ALTER TABLE messages VALIDATE CONSTRAINT messages_contents;
ALTER TABLE messages VALIDATE CONSTRAINT messages_contents_gone;
