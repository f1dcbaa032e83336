-- Every write of a cart or its lines raises the cart's version, whoever makes it: `WHERE version = <seen>` therefore also
-- means that status and lines are those that were seen. (The one exception is a note in `released_order_ids`.)
CREATE TABLE carts (
    id                 UUID PRIMARY KEY,
    -- NULL: a guest's, opened by its secret alone.
    user_id            UUID,
    status             TEXT NOT NULL CHECK (status IN ('open', 'checkout', 'completed', 'merged', 'expired')),
    -- The order that is being paid, or was placed, and the priced cart as that order took it over.
    order_id           UUID,
    snapshot           JSON,
    -- The orders that have given the cart back: a freeze of theirs that arrives late must not lock it again.
    released_order_ids UUID[] NOT NULL DEFAULT '{}',
    -- The cart that took over the lines of a merged one.
    merged_into        UUID,
    version            BIGINT NOT NULL CHECK (version > 0),
    currency           TEXT NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    email              TEXT,
    shipping_address   JSONB,
    billing_address    JSONB,
    expires_at         TIMESTAMPTZ NOT NULL,
    created_at         TIMESTAMPTZ NOT NULL,
    updated_at         TIMESTAMPTZ NOT NULL,
    CONSTRAINT carts_order_check CHECK ((status IN ('checkout', 'completed')) = (order_id IS NOT NULL)),
    CONSTRAINT carts_snapshot_check CHECK ((order_id IS NULL) = (snapshot IS NULL)),
    CONSTRAINT carts_merged_check CHECK ((status = 'merged') = (merged_into IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX carts_of_user ON carts (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX carts_to_expire ON carts (expires_at) WHERE status = 'open';
CREATE INDEX carts_to_remove ON carts (updated_at) WHERE status IN ('expired', 'merged');

-- One line per variant. What the catalogue said is kept until it says something else.
CREATE TABLE items (
    id                   UUID PRIMARY KEY,
    cart_id              UUID NOT NULL REFERENCES carts ON DELETE CASCADE,
    variant_id           UUID NOT NULL,
    product_id           UUID NOT NULL,
    sku                  TEXT,
    title                TEXT NOT NULL,
    variant_title        TEXT NOT NULL,
    image_url            TEXT,
    quantity             INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    unit_price_minor     BIGINT NOT NULL CHECK (unit_price_minor BETWEEN 0 AND 999999999999),
    -- What one cost when the buyer last changed the cart: shown as `price_changed_from` where it differs.
    accepted_price_minor BIGINT NOT NULL CHECK (accepted_price_minor BETWEEN 0 AND 999999999999),
    -- What the buyer has been told is wrong with the line, and how many there are where there are too few.
    problem              TEXT CHECK (problem IN ('insufficient_stock', 'not_for_sale')),
    available            BIGINT CHECK (available >= 0),
    CONSTRAINT items_cart_variant_key UNIQUE (cart_id, variant_id),
    CONSTRAINT items_shortage_check
        CHECK ((problem IS NOT DISTINCT FROM 'insufficient_stock') = (available IS NOT NULL))
);
