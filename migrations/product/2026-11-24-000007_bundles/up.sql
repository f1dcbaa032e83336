-- Bundles: variants that are sold as one and consist of others, whose stock they take.

-- A bundle has no terms of its own: how far below zero it is sold is what its components say. Others refer to
-- `can_be_component`, so that what they refer to can be neither deleted nor made a bundle.
ALTER TABLE variants
    ADD COLUMN is_bundle BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN can_be_component BOOLEAN NOT NULL GENERATED ALWAYS AS (NOT is_bundle AND deleted_at IS NULL) STORED,
    ADD CONSTRAINT variants_bundle_terms CHECK (NOT is_bundle OR (backorder_limit = 0 AND preorder_until IS NULL)),
    ADD CONSTRAINT variants_bundle_key UNIQUE (id, is_bundle),
    ADD CONSTRAINT variants_component_key UNIQUE (id, can_be_component);

-- What a bundle consists of. A bundle is never a component, and a component never a bundle: the keys say so.
CREATE TABLE bundle_components (
    bundle_id        UUID NOT NULL,
    component_id     UUID NOT NULL,
    quantity         BIGINT NOT NULL CONSTRAINT bundle_components_quantity CHECK (quantity BETWEEN 1 AND 1000),
    position         BIGINT NOT NULL CONSTRAINT bundle_components_count CHECK (position BETWEEN 1 AND 20),
    is_bundle        BOOLEAN NOT NULL GENERATED ALWAYS AS (TRUE) STORED,
    can_be_component BOOLEAN NOT NULL GENERATED ALWAYS AS (TRUE) STORED,
    PRIMARY KEY (bundle_id, component_id),
    CONSTRAINT bundle_components_position UNIQUE (bundle_id, position),
    CONSTRAINT bundle_components_bundle_fkey FOREIGN KEY (bundle_id, is_bundle) REFERENCES variants (id, is_bundle),
    CONSTRAINT bundle_components_component_fkey
        FOREIGN KEY (component_id, can_be_component) REFERENCES variants (id, can_be_component)
);
CREATE INDEX bundle_components_component ON bundle_components (component_id);

-- The rows of a bundle's stock stay empty; what a variant has must be gone before it becomes one.
ALTER TABLE stock
    ADD COLUMN is_bundle BOOLEAN NOT NULL DEFAULT FALSE,
    DROP CONSTRAINT stock_variant_id_fkey,
    ADD CONSTRAINT stock_variant_id_fkey
        FOREIGN KEY (variant_id, is_bundle) REFERENCES variants (id, is_bundle) ON UPDATE CASCADE,
    ADD CONSTRAINT stock_bundle CHECK (NOT is_bundle OR (on_hand = 0 AND reserved = 0 AND oversell = 0));

-- What an order takes for one of a bundle that is on sale. For a bundle that is not, an order looks for its own stock,
-- as for any variant, and finds none.
CREATE VIEW bundle_parts AS
SELECT component.bundle_id, component.component_id, component.quantity
FROM bundle_components AS component
JOIN variants AS bundle ON bundle.id = component.bundle_id
JOIN products AS product ON product.id = bundle.product_id
WHERE bundle.deleted_at IS NULL AND product.deleted_at IS NULL AND product.status = 'active';

-- How many of a bundle there are `today`: as many as the scarcest component makes. `available` from what is there,
-- `sellable` with what may be sold beyond it; `ships_on` is the day of the last component that is sold before it is there.
-- A component that is not on sale by itself cannot be had in a bundle either.
CREATE FUNCTION bundle_offer(bundle UUID, today DATE)
RETURNS TABLE (available BIGINT, sellable BIGINT, ships_on DATE) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT coalesce(min(greatest(part.available, 0) / part.quantity), 0),
        coalesce(min(greatest(part.available + part.oversell, 0) / part.quantity), 0),
        max(part.ships_on)
    FROM (
        SELECT component.quantity,
            CASE WHEN product.status = 'active' THEN level.available ELSE 0 END AS available,
            CASE WHEN product.status = 'active' THEN oversell_limit(variant.backorder_limit, variant.preorder_until,
                variant.preorder_limit, today::timestamp AT TIME ZONE 'UTC') ELSE 0 END AS oversell,
            CASE WHEN variant.preorder_until > today THEN variant.preorder_until END AS ships_on
        FROM bundle_components AS component
        JOIN variants AS variant ON variant.id = component.component_id
        JOIN products AS product ON product.id = variant.product_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(stock.on_hand - stock.reserved), 0)::bigint AS available
            FROM stock JOIN locations AS location ON location.id = stock.location_id AND location.sells
            WHERE stock.variant_id = component.component_id
        ) AS level
        WHERE component.bundle_id = bundle
    ) AS part;
END;

-- The same events as before, and one more: where what can be bought of the product, or of a bundle with it, may be another
-- than before. `oversell` is how far below zero the variant may be sold today.
DROP FUNCTION stock_events(UUID, UUID, BIGINT, BIGINT, BIGINT);
CREATE FUNCTION stock_events(
    variant_id UUID, product_id UUID, threshold BIGINT, oversell BIGINT, before BIGINT, after BIGINT)
RETURNS TABLE (type TEXT, subject TEXT, data JSONB) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT line.type, type_id('variant', variant_id), jsonb_build_object('variant', type_id('variant', variant_id),
        'product', type_id('product', product_id), 'available', after)
    FROM (VALUES ('stock.low', before > threshold AND after <= threshold), ('stock.out', before > 0 AND after <= 0),
        ('stock.back', before <= 0 AND after > 0)) AS line (type, is_crossed)
    WHERE line.is_crossed
    UNION ALL
    SELECT 'product.availability_changed', type_id('product', product_id),
        jsonb_build_object('product', type_id('product', product_id))
    WHERE (before + oversell > 0) <> (after + oversell > 0)
    OR EXISTS (SELECT FROM bundle_components AS part WHERE part.component_id = stock_events.variant_id
        AND (before + oversell >= part.quantity) <> (after + oversell >= part.quantity));
END;
