DROP TABLE import_left_out;
DELETE FROM imports WHERE checksum IS NOT NULL;
DROP INDEX imports_of_files, imports_one_at_a_time;
ALTER TABLE imports DROP COLUMN checksum;
CREATE UNIQUE INDEX imports_one_at_a_time ON imports ((TRUE)) WHERE state = 'running';
