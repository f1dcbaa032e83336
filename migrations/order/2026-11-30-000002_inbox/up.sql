-- What payment providers have told us: stored as it came, before they hear that it has arrived, and worked on afterwards.
CREATE TABLE payment_events (
    id           UUID PRIMARY KEY,
    provider     TEXT NOT NULL,
    -- The provider's own id of the event: however often it comes, it is there once.
    event_id     TEXT NOT NULL CHECK (length(event_id) BETWEEN 1 AND 255),
    type         TEXT NOT NULL CHECK (length(type) BETWEEN 1 AND 255),
    body         BYTEA NOT NULL CHECK (octet_length(body) <= 262144),
    -- Nothing is stored whose signature does not hold.
    verified     BOOLEAN NOT NULL CHECK (verified),
    state        TEXT NOT NULL CHECK (state IN ('received', 'parked', 'processed', 'ignored', 'unmatched', 'failed')),
    attempts     INTEGER NOT NULL DEFAULT 0,
    failure      TEXT,
    -- The provider's name for the charge, and our payment, once we know it.
    reference    TEXT,
    payment_id   UUID REFERENCES payments (id),
    received_at  TIMESTAMPTZ NOT NULL,
    processed_at TIMESTAMPTZ,
    -- A process has it until then, or nobody tries before that; in the database's time.
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    UNIQUE (provider, event_id)
);
CREATE INDEX payment_events_open ON payment_events (leased_until) WHERE state IN ('received', 'parked');
CREATE INDEX payment_events_by_state ON payment_events (state, id DESC);
CREATE INDEX payment_events_over ON payment_events (received_at) WHERE state NOT IN ('received', 'parked');

-- A provider's name for a charge is that of one payment.
CREATE UNIQUE INDEX payments_by_reference ON payments (provider, reference) WHERE reference IS NOT NULL;

-- Where a provider's books and ours differ: once each, from when it was first seen until it was no longer.
CREATE TABLE discrepancies (
    id          UUID PRIMARY KEY,
    provider    TEXT NOT NULL,
    reference   TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN
        ('unknown_charge', 'unexpected_money', 'amount_differs', 'missing_charge')),
    payment_id  UUID REFERENCES payments (id),
    detail      TEXT NOT NULL,
    first_seen  TIMESTAMPTZ NOT NULL,
    last_seen   TIMESTAMPTZ NOT NULL,
    resolved_at TIMESTAMPTZ,
    UNIQUE (provider, reference, kind)
);
CREATE INDEX discrepancies_open ON discrepancies (id DESC) WHERE resolved_at IS NULL;

-- When the books of each provider were compared last.
CREATE TABLE reconciliations (
    provider     TEXT PRIMARY KEY,
    compared_at  TIMESTAMPTZ,
    -- The process that compares has them until then, in the database's time.
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);
