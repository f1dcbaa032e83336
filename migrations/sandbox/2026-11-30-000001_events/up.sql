-- What the sandbox has to tell shops: written with the change itself, delivered by a job until somebody says that it has
-- arrived.
CREATE TABLE events (
    id           UUID PRIMARY KEY,
    charge       UUID NOT NULL REFERENCES charges (key),
    type         TEXT NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    delivered_at TIMESTAMPTZ,
    -- Nobody tries before that, in the database's time.
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);
CREATE INDEX events_undelivered ON events (leased_until) WHERE delivered_at IS NULL;
