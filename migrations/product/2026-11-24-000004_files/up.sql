-- Product files that staff upload, and how far their imports are.

-- A process holds an import for as long as its lease runs; whoever takes it over gets another `holder`, and what the one
-- before still tries to write fails. Leases are in the database's time.
CREATE TABLE imports (
    id             UUID PRIMARY KEY,
    state          TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    format         TEXT NOT NULL CHECK (format IN ('auto', 'ndjson', 'shopify')),
    dry_run        BOOLEAN NOT NULL,
    actor          TEXT NOT NULL,
    bytes_total    BIGINT NOT NULL,
    bytes_done     BIGINT NOT NULL DEFAULT 0,
    -- Where the import goes on: written in the transaction of the rows that it counts.
    rows_done      BIGINT NOT NULL DEFAULT 0,
    created        BIGINT NOT NULL DEFAULT 0,
    updated        BIGINT NOT NULL DEFAULT 0,
    unchanged      BIGINT NOT NULL DEFAULT 0,
    skipped        BIGINT NOT NULL DEFAULT 0,
    errors_total   BIGINT NOT NULL DEFAULT 0,
    failure_code   TEXT,
    failure_detail TEXT,
    holder         UUID,
    leased_until   TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    attempts       INTEGER NOT NULL DEFAULT 0,    -- how often it was begun since it last got on
    created_at     TIMESTAMPTZ NOT NULL,
    started_at     TIMESTAMPTZ,
    finished_at    TIMESTAMPTZ,
    CONSTRAINT imports_rows CHECK (rows_done = created + updated + unchanged + skipped),
    CONSTRAINT imports_bytes CHECK (bytes_done BETWEEN 0 AND bytes_total),
    CONSTRAINT imports_finished CHECK ((finished_at IS NULL) = (state IN ('queued', 'running')))
);
-- One at a time, in the order in which they were uploaded: two files about one product are not mixed.
CREATE UNIQUE INDEX imports_one_at_a_time ON imports ((TRUE)) WHERE state = 'running';
CREATE INDEX imports_open ON imports (created_at, id) WHERE state IN ('queued', 'running');

-- The files themselves, until their import ends. In the database, because every process of the module can reach that: the
-- one that goes on need not be the one, nor on the machine, that took the upload.
CREATE TABLE import_chunks (
    import_id UUID NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    bytes     BYTEA NOT NULL,
    PRIMARY KEY (import_id, number)
);
-- Often packed already, and always read as a whole.
ALTER TABLE import_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What was wrong with rows, in the order in which it was found.
CREATE TABLE import_errors (
    import_id UUID NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    number    BIGINT NOT NULL,
    line      BIGINT NOT NULL,
    pointer   TEXT NOT NULL,
    code      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    PRIMARY KEY (import_id, number)
);

-- Digests of names that products of a file got or lost although their rows do not say so; whoever goes on with an import
-- finds all others by reading the file again.
CREATE TABLE import_names (
    import_id UUID NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    released  BOOLEAN NOT NULL,
    digest    UUID NOT NULL,
    line      BIGINT NOT NULL,
    PRIMARY KEY (import_id, released, digest)
);
