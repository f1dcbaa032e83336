-- What promotions, shipping and taxes go by. The products of before are taxed as is usual, weigh nothing and are shipped.

ALTER TABLE products
    ADD COLUMN tax_class TEXT NOT NULL DEFAULT 'standard'
        CONSTRAINT products_tax_class CHECK (tax_class ~ '^[a-z0-9_-]{1,50}$');

ALTER TABLE variants
    ADD COLUMN weight_grams BIGINT NOT NULL DEFAULT 0
        CONSTRAINT variants_weight_grams CHECK (weight_grams BETWEEN 0 AND 10000000),
    ADD COLUMN requires_shipping BOOLEAN NOT NULL DEFAULT TRUE;
