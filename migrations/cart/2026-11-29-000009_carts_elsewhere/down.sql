DROP TABLE told_carts;
