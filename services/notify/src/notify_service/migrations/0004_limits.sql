-- Channels that an operator has stopped; nothing of them is sent meanwhile, by no process.
CREATE TABLE paused_channels (
    channel   text PRIMARY KEY CHECK (channel IN ('email', 'sms')),
    paused_at timestamptz NOT NULL DEFAULT present(),
    reason    text        NOT NULL
);

-- What was handed to providers in each hour of the clock: what the limits count, and what SMS cost.
CREATE TABLE hourly_counts (
    channel    text        NOT NULL,
    hour       timestamptz NOT NULL,
    total      integer     NOT NULL,
    by_country jsonb       NOT NULL, -- {"TW": 12}; mail has none: {"": 12}
    PRIMARY KEY (channel, hour)
);
