DROP FUNCTION stock_events(UUID, UUID, BIGINT, BIGINT, BIGINT, BIGINT);
CREATE FUNCTION stock_events(variant_id UUID, product_id UUID, threshold BIGINT, before BIGINT, after BIGINT)
RETURNS TABLE (type TEXT, subject TEXT, data JSONB) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT line.type, type_id('variant', variant_id), jsonb_build_object('variant', type_id('variant', variant_id),
        'product', type_id('product', product_id), 'available', after)
    FROM (VALUES ('stock.low', before > threshold AND after <= threshold), ('stock.out', before > 0 AND after <= 0),
        ('stock.back', before <= 0 AND after > 0)) AS line (type, is_crossed)
    WHERE line.is_crossed;
END;
DROP FUNCTION bundle_offer;
DROP VIEW bundle_parts;
ALTER TABLE stock
    DROP CONSTRAINT stock_bundle,
    DROP CONSTRAINT stock_variant_id_fkey,
    DROP COLUMN is_bundle,
    ADD CONSTRAINT stock_variant_id_fkey FOREIGN KEY (variant_id) REFERENCES variants (id);
DROP TABLE bundle_components;
ALTER TABLE variants
    DROP CONSTRAINT variants_component_key,
    DROP CONSTRAINT variants_bundle_key,
    DROP CONSTRAINT variants_bundle_terms,
    DROP COLUMN can_be_component,
    DROP COLUMN is_bundle;
