ALTER TABLE variants
    DROP COLUMN requires_shipping,
    DROP COLUMN weight_grams;

ALTER TABLE products DROP COLUMN tax_class;
