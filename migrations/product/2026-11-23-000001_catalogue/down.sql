DROP TABLE stock_movements, reservation_lines, reservations, stock, variants, products, categories;
DROP FUNCTION refuse_change();
