-- The catalogue: a tree of categories, products and their variants; the books of stock.

-- Every node knows its way from the root, so that a subtree is found, renamed or moved by one statement.
-- Writers hold SHARE ROW EXCLUSIVE on this table: two moves at once could otherwise make a circle.
CREATE TABLE categories (
    id         UUID PRIMARY KEY,
    parent_id  UUID CONSTRAINT categories_parent_id_fkey REFERENCES categories (id),
    handle     TEXT NOT NULL CONSTRAINT categories_handle_key UNIQUE CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    ancestors  UUID[] NOT NULL,    -- from the root to the node itself
    path       TEXT[] NOT NULL,    -- their names
    position   INTEGER NOT NULL DEFAULT 0,
    version    BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT categories_name_key UNIQUE NULLS NOT DISTINCT (parent_id, name),
    CONSTRAINT categories_depth CHECK (cardinality(ancestors) BETWEEN 1 AND 10),
    CONSTRAINT categories_path CHECK (
        cardinality(path) = cardinality(ancestors)
        AND ancestors[cardinality(ancestors)] = id
        AND path[cardinality(path)] = name
    )
);
CREATE INDEX categories_ancestors ON categories USING gin (ancestors);
CREATE INDEX categories_parent ON categories (parent_id);

CREATE TABLE products (
    id            UUID PRIMARY KEY,
    external_id   TEXT CHECK (length(external_id) BETWEEN 1 AND 120),
    handle        TEXT NOT NULL CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    title         TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    description   TEXT NOT NULL,
    brand         TEXT CHECK (length(brand) BETWEEN 1 AND 120),
    status        TEXT NOT NULL CHECK (status IN ('active', 'draft', 'archived')),
    category_id   UUID CONSTRAINT products_category_id_fkey REFERENCES categories (id),
    tags          TEXT[] NOT NULL,
    -- Of type json, not jsonb: kept as written and handed out without being read.
    attributes    JSON NOT NULL,
    images        JSON NOT NULL,
    options       JSON NOT NULL,
    currency      TEXT NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    released_on   DATE NOT NULL,
    version       BIGINT NOT NULL DEFAULT 1,
    created_at    TIMESTAMPTZ NOT NULL,
    updated_at    TIMESTAMPTZ NOT NULL,
    deleted_at    TIMESTAMPTZ,
    -- Copies, kept in the transaction that changes their source, for sorting and searching.
    price_min     BIGINT NOT NULL,    -- of the variants; 0 where there are none
    price_max     BIGINT NOT NULL,
    codes         TEXT[] NOT NULL,    -- SKUs and barcodes of the variants, in lower case
    category_path TEXT[] NOT NULL,
    CONSTRAINT products_deleted CHECK (deleted_at IS NULL OR status = 'archived')
)
-- Up to this size a row stays in one piece: a detail then is one page read, nothing to unpack.
WITH (toast_tuple_target = 4080);
CREATE UNIQUE INDEX products_handle_key ON products (handle) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX products_external_id_key ON products (external_id) WHERE deleted_at IS NULL;
CREATE INDEX products_category ON products (category_id);

CREATE TABLE variants (
    id               UUID PRIMARY KEY,
    product_id       UUID NOT NULL REFERENCES products (id),
    position         INTEGER NOT NULL,
    sku              TEXT CHECK (length(sku) BETWEEN 1 AND 120),
    barcode          TEXT CHECK (length(barcode) BETWEEN 1 AND 120),
    title            TEXT NOT NULL,
    option_values    TEXT[] NOT NULL,    -- one per option of the product, in its order
    price_minor      BIGINT NOT NULL CONSTRAINT variants_price CHECK (price_minor BETWEEN 0 AND 999999999999),
    compare_at_minor BIGINT CONSTRAINT variants_compare_at CHECK (compare_at_minor BETWEEN 0 AND 999999999999),
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    deleted_at       TIMESTAMPTZ
);
CREATE UNIQUE INDEX variants_sku_key ON variants (sku) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX variants_options_key ON variants (product_id, option_values) WHERE deleted_at IS NULL;

-- How many there are. `on_hand - reserved` can be sold. Rows are updated often and never grow: half a page is left free,
-- so that an update stays on its page and touches no index.
CREATE TABLE stock (
    variant_id UUID PRIMARY KEY REFERENCES variants (id),
    on_hand    BIGINT NOT NULL CONSTRAINT stock_on_hand CHECK (on_hand BETWEEN 0 AND 1000000000),
    reserved   BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT stock_reserved CHECK (reserved >= 0 AND on_hand >= reserved)
) WITH (fillfactor = 50);

-- What orders have set aside or taken. A row in state `released` also forbids that a late `reserve` makes it.
CREATE TABLE reservations (
    id         UUID PRIMARY KEY,
    state      TEXT NOT NULL CHECK (state IN ('reserved', 'committed', 'released')),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
)
-- No index but the key, and room on the page: to become `committed` touches nothing but the row.
WITH (fillfactor = 50);

CREATE TABLE reservation_lines (
    reservation_id UUID NOT NULL REFERENCES reservations (id),
    variant_id     UUID NOT NULL REFERENCES variants (id),
    quantity       BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (reservation_id, variant_id)
);

-- The ledger of stock: every change of `on_hand`, and nothing is ever changed here.
CREATE TABLE stock_movements (
    id             BIGINT GENERATED ALWAYS AS IDENTITY,
    variant_id     UUID NOT NULL REFERENCES variants (id),
    kind           TEXT NOT NULL CHECK (kind IN ('initial', 'adjustment', 'import', 'sale', 'restock')),
    delta          BIGINT NOT NULL CHECK (delta <> 0),
    reason         TEXT NOT NULL,
    actor          TEXT NOT NULL,    -- a user's id, `order` or `import`
    reservation_id UUID REFERENCES reservations (id),
    created_at     TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (variant_id, id),
    CONSTRAINT stock_movements_once UNIQUE (reservation_id, variant_id, kind)
);

CREATE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stock_movements is append-only';
END $$;
CREATE TRIGGER stock_movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stock_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
