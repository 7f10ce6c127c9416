-- The days on which reviewers were told what waits: who writes the day's row tells them, and nobody else does.
CREATE TABLE reminder_days (
    day     date PRIMARY KEY, -- in Taipei
    told_at timestamptz NOT NULL DEFAULT present()
);
