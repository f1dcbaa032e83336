-- The language in which the lines of a cart are told.
ALTER TABLE carts ADD COLUMN locale TEXT NOT NULL DEFAULT 'en'
    CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(locale) <= 35);
ALTER TABLE carts ALTER COLUMN locale DROP DEFAULT;
