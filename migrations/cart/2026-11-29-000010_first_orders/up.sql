-- Who has a promotion for first orders in a living order: once each.
CREATE TABLE first_orders (
    user_id  UUID PRIMARY KEY,
    order_id UUID NOT NULL UNIQUE
);

-- For lists of all carts of a status, and for what guests have ordered.
CREATE INDEX carts_by_status ON carts (status, id);
CREATE INDEX carts_of_guest ON carts (email) WHERE user_id IS NULL AND status IN ('checkout', 'completed');

-- Snapshots from before prices could contain a tax say nothing of it.
UPDATE carts
SET snapshot = jsonb_set(snapshot::jsonb, '{totals,tax_included}', jsonb_build_object('amount', 0, 'currency', currency))::json
WHERE snapshot IS NOT NULL AND snapshot::jsonb #> '{totals,tax_included}' IS NULL;
