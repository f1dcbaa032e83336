-- What stands behind the totals, as the cart told it: how the goods go, promotions, taxes and gift cards. There were no
-- shipping methods before.
ALTER TABLE orders DROP COLUMN shipping_method, ADD COLUMN pricing JSON;
