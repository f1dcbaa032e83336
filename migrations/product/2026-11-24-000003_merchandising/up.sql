-- What merchants arrange: product types, collections, times of publication, words for search engines, related products.

-- Which attributes products of a kind have. `attributes` is a list of definitions, read and checked by us alone.
CREATE TABLE product_types (
    id         UUID PRIMARY KEY,
    handle     TEXT NOT NULL CONSTRAINT product_types_handle_key UNIQUE CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    attributes JSON NOT NULL,
    version    BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE products
    ADD COLUMN product_type_id UUID CONSTRAINT products_product_type_id_fkey REFERENCES product_types (id),
    ADD COLUMN seo_title TEXT CHECK (length(seo_title) BETWEEN 1 AND 200),
    ADD COLUMN seo_description TEXT CHECK (length(seo_description) BETWEEN 1 AND 500),
    ADD COLUMN publish_at TIMESTAMPTZ,      -- a draft becomes active
    ADD COLUMN unpublish_at TIMESTAMPTZ,    -- an active product becomes archived
    ADD CONSTRAINT products_publication CHECK (publish_at < unpublish_at);
CREATE INDEX products_product_type ON products (product_type_id, id) WHERE product_type_id IS NOT NULL;
-- Few products have a time before them: the job reads hardly anything.
CREATE INDEX products_publish_at ON products (publish_at)
    WHERE publish_at IS NOT NULL AND status = 'draft' AND deleted_at IS NULL;
CREATE INDEX products_unpublish_at ON products (unpublish_at)
    WHERE unpublish_at IS NOT NULL AND status = 'active' AND deleted_at IS NULL;

-- Products that belong together: chosen by hand, or by a rule. Whoever writes this table holds SHARE ROW EXCLUSIVE on it,
-- whoever writes products holds SHARE: a product is never compared with a rule that is being changed.
CREATE TABLE collections (
    id              UUID PRIMARY KEY,
    handle          TEXT NOT NULL CONSTRAINT collections_handle_key UNIQUE CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    title           TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    description     TEXT NOT NULL,
    seo_title       TEXT CHECK (length(seo_title) BETWEEN 1 AND 200),
    seo_description TEXT CHECK (length(seo_description) BETWEEN 1 AND 500),
    published       BOOLEAN NOT NULL,
    rule            JSON,    -- none where the products are chosen by hand
    -- The day that a rule about dates was last carried out for; none for every other collection.
    refreshed_on    DATE,
    version         BIGINT NOT NULL DEFAULT 1,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT collections_refreshed CHECK (refreshed_on IS NULL OR rule IS NOT NULL)
);
CREATE INDEX collections_refreshed_on ON collections (refreshed_on) WHERE refreshed_on IS NOT NULL;

CREATE TABLE collection_products (
    collection_id UUID NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    product_id    UUID NOT NULL REFERENCES products (id),
    position      INTEGER NOT NULL DEFAULT 0,    -- 0 for all where a rule decides
    PRIMARY KEY (collection_id, product_id)
);
CREATE INDEX collection_products_order ON collection_products (collection_id, position, product_id);
CREATE INDEX collection_products_product ON collection_products (product_id);

-- Whether one condition of a rule holds for a product. `ancestors` leads from the root to its category. The same as
-- `Condition::holds` in Rust, for whole catalogues at once; numbers are compared as the 64-bit floats that they are there.
CREATE FUNCTION condition_holds(
    condition JSONB, brand TEXT, tags TEXT[], product_type UUID, ancestors UUID[], attributes JSONB,
    price_min BIGINT, price_max BIGINT, released_on DATE, today DATE
) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce(
    CASE condition ->> 'field'
        WHEN 'brand' THEN condition -> 'any' ? brand
        WHEN 'tag' THEN condition -> 'any' ?| tags
        WHEN 'product_type' THEN condition -> 'any' ? product_type::text
        WHEN 'category' THEN condition -> 'any' ?| ancestors::text[]
        WHEN 'price' THEN coalesce(price_max >= (condition ->> 'min')::bigint, TRUE)
            AND coalesce(price_min <= (condition ->> 'max')::bigint, TRUE)
        WHEN 'released' THEN released_on <= today AND released_on > today - (condition ->> 'days')::integer
        WHEN 'attribute' THEN CASE
            WHEN jsonb_typeof(condition -> 'value') = 'number'
                AND jsonb_typeof(attributes -> (condition ->> 'name')) = 'number'
            THEN CASE condition ->> 'operator'
                WHEN 'equals' THEN (attributes -> (condition ->> 'name'))::float8 = (condition -> 'value')::float8
                WHEN 'greater' THEN (attributes -> (condition ->> 'name'))::float8 > (condition -> 'value')::float8
                WHEN 'less' THEN (attributes -> (condition ->> 'name'))::float8 < (condition -> 'value')::float8
            END
            ELSE condition ->> 'operator' = 'equals' AND attributes -> (condition ->> 'name') = condition -> 'value'
        END
    END, FALSE);

-- Whether a rule holds for a product: every condition, or any.
CREATE FUNCTION rule_holds(
    rule JSONB, brand TEXT, tags TEXT[], product_type UUID, ancestors UUID[], attributes JSONB,
    price_min BIGINT, price_max BIGINT, released_on DATE, today DATE
) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
    SELECT CASE WHEN (rule -> 'every')::boolean THEN bool_and(held.holds) ELSE bool_or(held.holds) END
    FROM jsonb_array_elements(rule -> 'conditions') AS conditions (condition),
    LATERAL (SELECT condition_holds(
        conditions.condition, brand, tags, product_type, ancestors, attributes, price_min, price_max, released_on, today
    ) AS holds) AS held
);

-- What is shown beside a product.
CREATE TABLE product_relations (
    product_id UUID NOT NULL REFERENCES products (id),
    kind       TEXT NOT NULL CHECK (kind IN ('related', 'upsell', 'cross_sell', 'accessory')),
    related_id UUID NOT NULL REFERENCES products (id),
    position   INTEGER NOT NULL,
    PRIMARY KEY (product_id, kind, related_id),
    CONSTRAINT product_relations_other CHECK (product_id <> related_id)
);
CREATE INDEX product_relations_related ON product_relations (related_id);
