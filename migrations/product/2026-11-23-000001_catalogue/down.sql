DROP TABLE stock_movements, reservation_lines, reservations, stock, variants, products, categories;
DROP FUNCTION refuse_change();
DROP FUNCTION search_words(TEXT, TEXT, TEXT[], TEXT[], TEXT[], JSON, TEXT);
