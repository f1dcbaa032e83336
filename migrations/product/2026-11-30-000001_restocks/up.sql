-- What comes back of an order that was sold: goods that were returned, and those that are taken off a placed order. Each of
-- them comes back once, whoever says so how often.
CREATE TABLE restocks (
    id             UUID PRIMARY KEY,
    reservation_id UUID NOT NULL REFERENCES reservations (id),
    created_at     TIMESTAMPTZ NOT NULL
);
CREATE INDEX restocks_of_reservation ON restocks (reservation_id);

ALTER TABLE reservation_lines
    ADD COLUMN returned BIGINT NOT NULL DEFAULT 0
        CONSTRAINT reservation_lines_returned CHECK (returned BETWEEN 0 AND quantity);

-- An order sells, and gives all that is left back, once; what comes back on the way does so once for each restock.
ALTER TABLE stock_movements
    ADD COLUMN restock_id UUID REFERENCES restocks (id),
    DROP CONSTRAINT stock_movements_once;
CREATE UNIQUE INDEX stock_movements_once ON stock_movements (reservation_id, variant_id, location_id, kind)
    WHERE restock_id IS NULL;
CREATE UNIQUE INDEX stock_movements_restock ON stock_movements (restock_id, variant_id, location_id)
    WHERE restock_id IS NOT NULL;
