-- What is written in other languages than the shop's own. `texts` is read and checked by us alone; what it does not say
-- falls back. The handle in it is a column too, so that addresses of pages can be found by it and are given once.

CREATE TABLE product_translations (
    product_id UUID NOT NULL REFERENCES products (id),
    locale     TEXT NOT NULL CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(locale) <= 35),
    texts      JSON NOT NULL,
    handle     TEXT GENERATED ALWAYS AS (texts ->> 'handle') STORED CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    PRIMARY KEY (product_id, locale),
    CONSTRAINT product_translations_handle_key UNIQUE (handle, locale)
);

CREATE TABLE category_translations (
    category_id UUID NOT NULL REFERENCES categories (id) ON DELETE CASCADE,
    locale      TEXT NOT NULL CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(locale) <= 35),
    texts       JSON NOT NULL,
    handle      TEXT GENERATED ALWAYS AS (texts ->> 'handle') STORED CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    PRIMARY KEY (category_id, locale),
    CONSTRAINT category_translations_handle_key UNIQUE (handle, locale)
);

CREATE TABLE collection_translations (
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    locale        TEXT NOT NULL CHECK (locale ~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$' AND length(locale) <= 35),
    texts         JSON NOT NULL,
    handle        TEXT GENERATED ALWAYS AS (texts ->> 'handle') STORED CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    PRIMARY KEY (collection_id, locale),
    CONSTRAINT collection_translations_handle_key UNIQUE (handle, locale)
);

-- The translated handles by their locales, copied so that a page that names the same page in other languages is read by
-- the statement that it was read by before. None where no handle is translated.
ALTER TABLE products ADD COLUMN translated_handles JSON;
ALTER TABLE categories ADD COLUMN translated_handles JSON;
ALTER TABLE collections ADD COLUMN translated_handles JSON;

-- A translated handle may be the own handle of its thing, but of no other. Whoever writes one keeps writers of the others
-- out (`LOCK TABLE categories`, and `collections`), so that what is looked at here does not change meanwhile.
CREATE FUNCTION refuse_base_handle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    is_taken BOOLEAN;
BEGIN
    IF TG_TABLE_NAME = 'product_translations' THEN
        is_taken := EXISTS (SELECT FROM products.products AS other
            WHERE other.handle = NEW.handle AND other.deleted_at IS NULL AND other.id <> NEW.product_id);
    ELSIF TG_TABLE_NAME = 'category_translations' THEN
        is_taken := EXISTS (SELECT FROM products.categories AS other
            WHERE other.handle = NEW.handle AND other.id <> NEW.category_id);
    ELSE
        is_taken := EXISTS (SELECT FROM products.collections AS other
            WHERE other.handle = NEW.handle AND other.id <> NEW.collection_id);
    END IF;
    IF is_taken THEN
        RAISE unique_violation USING CONSTRAINT = TG_TABLE_NAME || '_base_handle',
            MESSAGE = format('the handle %s belongs to another one', NEW.handle);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION refuse_translated_handle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
    is_taken BOOLEAN;
BEGIN
    IF TG_TABLE_NAME = 'products' THEN
        is_taken := EXISTS (SELECT FROM products.product_translations AS other
            WHERE other.handle = NEW.handle AND other.product_id <> NEW.id);
    ELSIF TG_TABLE_NAME = 'categories' THEN
        is_taken := EXISTS (SELECT FROM products.category_translations AS other
            WHERE other.handle = NEW.handle AND other.category_id <> NEW.id);
    ELSE
        is_taken := EXISTS (SELECT FROM products.collection_translations AS other
            WHERE other.handle = NEW.handle AND other.collection_id <> NEW.id);
    END IF;
    IF is_taken THEN
        RAISE unique_violation USING CONSTRAINT = TG_TABLE_NAME || '_translated_handle',
            MESSAGE = format('the handle %s is a translated one of another', NEW.handle);
    END IF;
    RETURN NULL;
END $$;

-- For all products of a statement at once: imports add hundreds.
CREATE FUNCTION refuse_translated_handles() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added JOIN products.product_translations AS other
        ON other.handle = added.handle AND other.product_id <> added.id) THEN
        RAISE unique_violation USING CONSTRAINT = 'products_translated_handle',
            MESSAGE = 'a handle is a translated one of another product';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER product_translations_base_handle AFTER INSERT OR UPDATE ON product_translations
    FOR EACH ROW WHEN (NEW.handle IS NOT NULL) EXECUTE FUNCTION refuse_base_handle();
CREATE TRIGGER category_translations_base_handle AFTER INSERT OR UPDATE ON category_translations
    FOR EACH ROW WHEN (NEW.handle IS NOT NULL) EXECUTE FUNCTION refuse_base_handle();
CREATE TRIGGER collection_translations_base_handle AFTER INSERT OR UPDATE ON collection_translations
    FOR EACH ROW WHEN (NEW.handle IS NOT NULL) EXECUTE FUNCTION refuse_base_handle();

CREATE TRIGGER products_added_handles AFTER INSERT ON products REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_translated_handles();
CREATE TRIGGER products_changed_handle AFTER UPDATE OF handle ON products
    FOR EACH ROW WHEN (NEW.handle <> OLD.handle) EXECUTE FUNCTION refuse_translated_handle();
CREATE TRIGGER categories_added_handle AFTER INSERT ON categories
    FOR EACH ROW EXECUTE FUNCTION refuse_translated_handle();
CREATE TRIGGER categories_changed_handle AFTER UPDATE OF handle ON categories
    FOR EACH ROW WHEN (NEW.handle <> OLD.handle) EXECUTE FUNCTION refuse_translated_handle();
CREATE TRIGGER collections_added_handle AFTER INSERT ON collections
    FOR EACH ROW EXECUTE FUNCTION refuse_translated_handle();
CREATE TRIGGER collections_changed_handle AFTER UPDATE OF handle ON collections
    FOR EACH ROW WHEN (NEW.handle <> OLD.handle) EXECUTE FUNCTION refuse_translated_handle();
