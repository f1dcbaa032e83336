ALTER TABLE price_history DROP COLUMN is_newest;
ALTER TABLE collections DROP COLUMN price_rule;
ALTER TABLE price_lists DROP COLUMN applied_at, DROP COLUMN applied_since;
