DROP TABLE items;
DROP TABLE carts;
