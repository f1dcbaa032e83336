DROP INDEX stock_movements_restock, stock_movements_once;
ALTER TABLE stock_movements
    DROP COLUMN restock_id,
    ADD CONSTRAINT stock_movements_once UNIQUE (reservation_id, variant_id, location_id, kind);
ALTER TABLE reservation_lines DROP COLUMN returned;
DROP TABLE restocks;
