-- The language of the cart, in which the lines are told; null as long as nothing is taken over from it.
ALTER TABLE orders ADD COLUMN locale TEXT
    CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(locale) <= 35);
UPDATE orders SET locale = 'en' WHERE total IS NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_locale CHECK (total IS NULL OR locale IS NOT NULL);
