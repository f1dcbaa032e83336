-- What every module's schema has besides its own tables: events to publish, how far consumers have read, idempotency keys.

-- Written in the transaction of the change it tells of. Readers go by (transaction_id, sequence) and see nothing newer
-- than the oldest running transaction: an identity column alone becomes visible out of order.
CREATE TABLE outbox (
    transaction_id BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    sequence       BIGINT GENERATED ALWAYS AS IDENTITY,
    id             UUID NOT NULL,
    type           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    time           TIMESTAMPTZ NOT NULL,
    data           JSONB NOT NULL,
    PRIMARY KEY (transaction_id, sequence)
);

-- How far each consumer of this module has read a feed, and which process is at it.
CREATE TABLE consumers (
    name           TEXT PRIMARY KEY,
    transaction_id BIGINT NOT NULL DEFAULT 0,
    sequence       BIGINT NOT NULL DEFAULT 0,
    failures       INTEGER NOT NULL DEFAULT 0,
    leased_until   TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);

-- Events that a consumer could not digest, put aside so that the others go on.
CREATE TABLE parked_events (
    consumer  TEXT NOT NULL,
    event_id  UUID NOT NULL,
    event     JSONB NOT NULL,
    error     TEXT NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (consumer, event_id)
);

-- Claimed before the work; the answer is stored with the effect.
CREATE TABLE idempotency_keys (
    scope        TEXT NOT NULL,
    operation    TEXT NOT NULL,
    key          TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    fingerprint  BYTEA NOT NULL,
    subject      UUID,
    status       SMALLINT,
    -- Of type json, not jsonb: handed out as it was written.
    body         JSON,
    leased_until TIMESTAMPTZ NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, operation, key)
);
-- Rows come in the order of their time: which pages are old is all that pruning asks.
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at) WITH (pages_per_range = 16);
