DROP TABLE product_relations;
DROP FUNCTION rule_holds;
DROP FUNCTION condition_holds;
DROP TABLE collection_products, collections;
ALTER TABLE products
    DROP COLUMN product_type_id,
    DROP COLUMN seo_title,
    DROP COLUMN seo_description,
    DROP COLUMN publish_at,
    DROP COLUMN unpublish_at;
DROP TABLE product_types;
