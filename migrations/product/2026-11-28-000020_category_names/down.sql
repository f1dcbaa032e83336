-- What names were before is not known any more.
ALTER TABLE categories DROP CONSTRAINT categories_name;
