-- A category's name has no blanks around it, and neither begins nor ends with `>`: a path in a file is then read as the names
-- that it was written of. Names of before lose what is too much; where a sibling is called like that already, a number tells
-- them apart.

DO $$
DECLARE
    category RECORD;
    rest     TEXT;
    mended   TEXT;
    number   INTEGER;
BEGIN
    FOR category IN
        SELECT id, parent_id, handle, name, cardinality(ancestors) AS depth FROM categories
        WHERE name ~ '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000>]|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000>]$'
        ORDER BY id
    LOOP
        rest := regexp_replace(category.name, '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000>]+|[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000>]+$', '', 'g');
        rest := coalesce(nullif(rest, ''), category.handle);
        mended := rest;
        number := 1;
        WHILE EXISTS (
            SELECT FROM categories WHERE parent_id IS NOT DISTINCT FROM category.parent_id AND name = mended
        ) LOOP
            number := number + 1;
            mended := left(rest, 110) || ' ' || number;
        END LOOP;
        UPDATE categories SET name = mended, path[category.depth] = mended, version = version + 1, updated_at = now()
            WHERE id = category.id;
        UPDATE categories SET path[category.depth] = mended
            WHERE ancestors @> ARRAY[category.id] AND id <> category.id;
    END LOOP;
    IF FOUND THEN
        UPDATE products AS product SET category_path = place.path FROM categories AS place
            WHERE product.category_id = place.id AND product.category_path <> place.path;
        -- No event tells of it: the search index is made anew.
        UPDATE search_catalogue SET identity = gen_random_uuid();
    END IF;
END $$;

ALTER TABLE categories ADD CONSTRAINT categories_name CHECK (name !~ '^[ >]|[ >]$');
