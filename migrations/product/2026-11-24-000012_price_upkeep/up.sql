-- How price lists are carried over where that takes long, fails, or comes across an edit that began before.

ALTER TABLE price_lists
    -- The moment for which its prices are being carried over, from the first one on; `apply_at` is when to go on.
    ADD COLUMN applied_since TIMESTAMPTZ;
UPDATE price_lists SET applied_since = apply_at WHERE applied_after IS NOT NULL;
ALTER TABLE price_lists
    ADD CONSTRAINT price_lists_applied CHECK ((applied_after IS NULL) = (applied_since IS NULL));
