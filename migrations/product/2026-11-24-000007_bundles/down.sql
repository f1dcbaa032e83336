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
