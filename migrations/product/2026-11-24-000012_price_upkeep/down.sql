ALTER TABLE collections DROP COLUMN price_rule;
ALTER TABLE price_lists DROP COLUMN applied_at, DROP COLUMN applied_since;
