-- Carts that are kept outside of PostgreSQL and were left behind: until which change of theirs others were told of it. Written
-- with the event, so that there is one for each state of a cart. A row that is older than what is news is removed.
CREATE TABLE told_carts (
    cart_id    UUID PRIMARY KEY,
    touched_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX told_carts_to_remove ON told_carts (touched_at);
