ALTER TABLE lines DROP CONSTRAINT lines_tax_check, ADD CONSTRAINT lines_tax_check CHECK (tax >= 0);
ALTER TABLE orders DROP COLUMN tax_included;
