-- Imports of the command line. Their files are not kept, but known again by their checksums.
ALTER TABLE imports ADD COLUMN checksum UUID;

-- They do not wait for others, and nobody takes them over who has no such file.
DROP INDEX imports_one_at_a_time;
CREATE UNIQUE INDEX imports_one_at_a_time ON imports ((TRUE)) WHERE state = 'running' AND checksum IS NULL;

-- Whoever gives the same file again goes on with its import.
CREATE UNIQUE INDEX imports_of_files ON imports (checksum, format, dry_run)
    WHERE state = 'running' AND checksum IS NOT NULL;

-- The lines of rows that a dry run has left out. Whoever goes on with it cannot find them by reading the file again.
CREATE TABLE import_left_out (
    import_id UUID NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    line      BIGINT NOT NULL,
    PRIMARY KEY (import_id, line)
);
