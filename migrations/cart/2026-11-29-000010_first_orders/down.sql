DROP INDEX carts_of_guest;
DROP INDEX carts_by_status;
DROP TABLE first_orders;
