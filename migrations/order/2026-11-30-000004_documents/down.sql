DROP TABLE invoiced, documents, counters;
DROP FUNCTION refuse_change_of_document();
ALTER TABLE orders DROP CONSTRAINT orders_numbered;
UPDATE orders SET number = id::text WHERE number IS NULL;
ALTER TABLE orders ALTER COLUMN number SET NOT NULL;
