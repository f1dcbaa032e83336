ALTER TABLE orders DROP COLUMN pricing, ADD COLUMN shipping_method TEXT;
