DROP TABLE price_history, list_prices, price_lists, offers;
ALTER TABLE variants
    DROP COLUMN price_since,
    DROP COLUMN lowest_minor,
    DROP COLUMN steps,
    DROP COLUMN further_prices,
    DROP COLUMN base_compare_at_minor,
    DROP COLUMN base_minor;
