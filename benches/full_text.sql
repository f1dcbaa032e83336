-- Products for PostgreSQL's own full text: title, brand and codes before category, attributes and description, as a shop would
-- weigh them.
CREATE SCHEMA full_text;
CREATE TABLE full_text.documents AS
SELECT id, title, brand, category_path[1] AS category, price_min AS price, attributes::jsonb AS attributes,
    setweight(to_tsvector('english', title), 'A')
    || setweight(to_tsvector('english', concat_ws(' ', brand, array_to_string(codes, ' '), array_to_string(tags, ' '))), 'B')
    || setweight(to_tsvector('english', array_to_string(category_path, ' ')), 'C')
    || setweight(jsonb_to_tsvector('english', attributes::jsonb, '["string"]'), 'C')
    || setweight(to_tsvector('english', description), 'D') AS words
FROM products.products WHERE status = 'active' AND deleted_at IS NULL;
ALTER TABLE full_text.documents ADD PRIMARY KEY (id);
CREATE INDEX ON full_text.documents USING gin (words);
CREATE TABLE full_text.questions (id serial PRIMARY KEY, text text NOT NULL);
