-- Places outside the shop that are told of events.
CREATE TABLE webhook_endpoints (
    id                    UUID PRIMARY KEY,
    -- Each endpoint has one of the places there are: so many a shop may have.
    place                 SMALLINT NOT NULL UNIQUE CHECK (place BETWEEN 1 AND 20),
    url                   TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    description           TEXT CHECK (length(description) BETWEEN 1 AND 500),
    -- Empty: all there are.
    event_types           TEXT[] NOT NULL,
    enabled               BOOLEAN NOT NULL,
    disabled_reason       TEXT CHECK (disabled_reason IN ('gone', 'failing')),
    disabled_at           TIMESTAMPTZ,
    -- The secret itself is derived from the id and this.
    secret_generation     BIGINT NOT NULL CHECK (secret_generation > 0),
    previous_secret_until TIMESTAMPTZ,
    failing_since         TIMESTAMPTZ,
    version               BIGINT NOT NULL,
    created_at            TIMESTAMPTZ NOT NULL,
    updated_at            TIMESTAMPTZ NOT NULL,
    CHECK (enabled = (disabled_at IS NULL)),
    CHECK (NOT enabled OR disabled_reason IS NULL),
    CHECK (previous_secret_until IS NULL OR secret_generation > 1)
);

-- Events on their way to an endpoint. No foreign key: an endpoint that is removed may have had very many, which are removed
-- little by little.
CREATE TABLE webhook_deliveries (
    id           UUID PRIMARY KEY,
    endpoint_id  UUID NOT NULL,
    event_id     UUID NOT NULL,
    event_type   TEXT NOT NULL,
    subject      TEXT NOT NULL,
    -- As it is signed: the same bytes each time.
    body         TEXT NOT NULL CHECK (octet_length(body) <= 20000),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- How often in a row, since the schedule began.
    failures     INTEGER NOT NULL DEFAULT 0 CHECK (failures BETWEEN 0 AND attempts),
    due_at       TIMESTAMPTZ NOT NULL,
    -- The process that sends it has it until then, in the database's time.
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    -- An event is read at least once, and delivered to an endpoint under one id.
    CONSTRAINT webhook_deliveries_once UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, id DESC);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at);

CREATE TABLE webhook_attempts (
    delivery_id  UUID NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL CHECK (number > 0),
    at           TIMESTAMPTZ NOT NULL,
    duration_ms  INTEGER NOT NULL CHECK (duration_ms >= 0),
    status       INTEGER,
    failure      TEXT CHECK (failure IN ('timed_out', 'unreachable', 'address_not_allowed', 'broken_off')),
    answer       TEXT,
    PRIMARY KEY (delivery_id, number),
    CHECK ((status IS NULL) = (failure IS NOT NULL))
);
