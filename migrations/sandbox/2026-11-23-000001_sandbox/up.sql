-- The books of the sandbox, a payment service of our own for development and tests. It is a separate party: the order
-- module never reads these tables, it asks.

CREATE TABLE charges (
    key        UUID PRIMARY KEY,
    reference  TEXT NOT NULL UNIQUE,
    amount     BIGINT NOT NULL CHECK (amount > 0),
    currency   TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('requires_action', 'authorized', 'captured', 'declined', 'voided')),
    reason     TEXT,
    captured   BIGINT NOT NULL DEFAULT 0,
    refunded   BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    CHECK (refunded >= 0 AND refunded <= captured AND captured <= amount)
);

CREATE TABLE refunds (
    key        UUID PRIMARY KEY,
    charge     UUID NOT NULL REFERENCES charges (key),
    amount     BIGINT NOT NULL CHECK (amount > 0),
    created_at TIMESTAMPTZ NOT NULL
);
