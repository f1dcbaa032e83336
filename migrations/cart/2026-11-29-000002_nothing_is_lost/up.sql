ALTER TABLE carts
    -- When the buyer last changed the cart, and when others were told that it was left behind as it was then.
    ADD COLUMN touched_at   TIMESTAMPTZ,
    ADD COLUMN left_at      TIMESTAMPTZ,
    -- What a merged cart gave to the other one beside its lines, so that it can be taken back.
    ADD COLUMN gave         JSON,
    -- Counts how often its links were withdrawn; only those with the present number open it.
    ADD COLUMN share_number INTEGER NOT NULL DEFAULT 0;
UPDATE carts SET touched_at = updated_at;
ALTER TABLE carts ALTER COLUMN touched_at SET NOT NULL;
CREATE INDEX carts_left ON carts (touched_at) WHERE status = 'open' AND (left_at IS NULL OR left_at < touched_at);

-- What users have put aside for later.
CREATE TABLE saved_items (
    user_id       UUID NOT NULL,
    variant_id    UUID NOT NULL,
    product_id    UUID NOT NULL,
    title         TEXT NOT NULL,
    variant_title TEXT NOT NULL,
    image_url     TEXT,
    quantity      INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 999),
    saved_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, variant_id)
);
