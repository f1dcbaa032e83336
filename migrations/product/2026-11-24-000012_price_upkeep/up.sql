-- How price lists are carried over where that takes long, fails, or comes across an edit that began before.

ALTER TABLE price_lists
    -- The moment for which its prices are being carried over, from the first one on; `apply_at` is when to go on.
    ADD COLUMN applied_since TIMESTAMPTZ,
    -- When some of its prices were last carried over: whoever has taken the time before, and waited, goes by this one.
    ADD COLUMN applied_at TIMESTAMPTZ;
UPDATE price_lists SET applied_since = apply_at WHERE applied_after IS NOT NULL;
ALTER TABLE price_lists
    ADD CONSTRAINT price_lists_applied CHECK ((applied_after IS NULL) = (applied_since IS NULL));

-- Of the rule of a collection what it says of prices, as a rule of its own; none where it says nothing of them. Rules may be
-- large, and when nothing but prices changes, most of them need not be read.
ALTER TABLE collections
    ADD COLUMN price_rule JSONB GENERATED ALWAYS AS (
        CASE WHEN jsonb_path_exists(rule::jsonb, '$.conditions[*] ? (@.field == "price")')
        THEN jsonb_set(rule::jsonb, '{conditions}', jsonb_path_query_array(
            rule::jsonb, '$.conditions[*] ? (@.field == "price")'
        )) END
    ) STORED;

-- What was noted of prices goes when nothing can be told by it any more, but for the newest price of each.
ALTER TABLE price_history ADD COLUMN is_newest BOOLEAN NOT NULL DEFAULT TRUE;
UPDATE price_history AS past SET is_newest = FALSE WHERE EXISTS (
    SELECT FROM price_history AS newer WHERE newer.variant_id = past.variant_id AND newer.currency = past.currency
        AND newer.held_until > past.held_until
);
CREATE INDEX price_history_outlived ON price_history (held_until) WHERE NOT is_newest;
