-- Product files that staff ask for, and how far they are. A process holds an export by a lease, as it does an import.

CREATE TABLE exports (
    id             UUID PRIMARY KEY,
    state          TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed')),
    format         TEXT NOT NULL CHECK (format IN ('ndjson', 'shopify')),
    products_total BIGINT,    -- as many as there were when it began; then as many as are in the file
    -- Where the export goes on: written in the transaction of the piece of the file that it counts.
    products_done  BIGINT NOT NULL DEFAULT 0,
    bytes          BIGINT NOT NULL DEFAULT 0,
    last_product   UUID,
    failure_code   TEXT,
    failure_detail TEXT,
    holder         UUID,
    leased_until   TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    attempts       INTEGER NOT NULL DEFAULT 0,    -- how often it was begun since it last got on
    created_at     TIMESTAMPTZ NOT NULL,
    started_at     TIMESTAMPTZ,
    finished_at    TIMESTAMPTZ,
    CONSTRAINT exports_finished CHECK ((finished_at IS NULL) = (state IN ('queued', 'running')))
);
-- One at a time: each reads the whole catalogue.
CREATE UNIQUE INDEX exports_one_at_a_time ON exports ((TRUE)) WHERE state = 'running';
CREATE INDEX exports_open ON exports (created_at, id) WHERE state IN ('queued', 'running');

-- The files themselves. Each piece is packed by itself and found by where it begins in the file as it is downloaded, so that
-- a download can go on anywhere.
CREATE TABLE export_chunks (
    export_id UUID NOT NULL REFERENCES exports (id) ON DELETE CASCADE,
    start     BIGINT NOT NULL CHECK (start >= 0),
    bytes     BYTEA NOT NULL,    -- gzip
    PRIMARY KEY (export_id, start)
);
ALTER TABLE export_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;
