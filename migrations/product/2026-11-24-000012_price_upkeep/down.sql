ALTER TABLE collections DROP COLUMN depends_on_prices;
ALTER TABLE price_lists DROP COLUMN applied_at, DROP COLUMN applied_since;
