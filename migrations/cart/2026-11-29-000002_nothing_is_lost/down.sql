DROP TABLE saved_items;
ALTER TABLE carts
    DROP COLUMN touched_at,
    DROP COLUMN left_at,
    DROP COLUMN gave,
    DROP COLUMN share_number;
