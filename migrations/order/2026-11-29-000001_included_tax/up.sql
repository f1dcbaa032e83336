-- The tax that prices contain is a part of the total; `tax` is what comes onto it, and less than nothing where a buyer does not
-- pay what prices contain.
ALTER TABLE orders ADD COLUMN tax_included BIGINT;
UPDATE orders SET tax_included = 0 WHERE total IS NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_tax_included_check
    CHECK ((total IS NULL) = (tax_included IS NULL) AND tax_included BETWEEN 0 AND total);
ALTER TABLE lines DROP CONSTRAINT lines_tax_check, ADD CONSTRAINT lines_tax_check CHECK (tax >= -total);
