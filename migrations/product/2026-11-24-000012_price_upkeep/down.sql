ALTER TABLE price_lists DROP COLUMN applied_since;
