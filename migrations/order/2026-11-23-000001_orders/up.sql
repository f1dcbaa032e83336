CREATE SEQUENCE order_numbers START 1001;

CREATE TABLE orders (
    id               UUID PRIMARY KEY,
    number           TEXT NOT NULL UNIQUE DEFAULT nextval('orders.order_numbers')::text,
    status           TEXT NOT NULL CHECK (status IN ('placing', 'pending_payment', 'placed', 'completed', 'cancelled')),
    version          BIGINT NOT NULL DEFAULT 1,
    user_id          UUID,
    cart_id          UUID NOT NULL,
    -- What follows is taken over from the cart; it is null while the order is being placed, and stays so where the cart or
    -- the stock refused. Such an order never existed for anybody and is shown to nobody.
    currency         TEXT,
    email            TEXT,
    subtotal         BIGINT,
    discount         BIGINT,
    shipping         BIGINT,
    tax              BIGINT,
    total            BIGINT,
    gift_cards       BIGINT,
    amount_due       BIGINT,
    shipping_address JSONB,
    billing_address  JSONB,
    shipping_method  TEXT,
    fulfilment_status TEXT NOT NULL DEFAULT 'unfulfilled'
        CHECK (fulfilment_status IN ('unfulfilled', 'partially_fulfilled', 'fulfilled', 'returned')),
    -- The process that places the order has it until then, in the database's time.
    leased_until     TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    payment_due_at   TIMESTAMPTZ,
    placed_at        TIMESTAMPTZ,
    cancelled_at     TIMESTAMPTZ,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    CHECK (total = subtotal - discount + shipping + tax),
    CHECK (amount_due = total - gift_cards AND amount_due >= 0),
    CHECK (status IN ('placing', 'cancelled') OR (total IS NOT NULL AND currency IS NOT NULL AND email IS NOT NULL)),
    CHECK (status NOT IN ('placed', 'completed') OR placed_at IS NOT NULL)
) WITH (fillfactor = 70);
-- One cart is bought once. An order that is still being placed does not count: whoever knows a cart's id could block its
-- buyer otherwise. Between two that are being placed the cart decides, which is locked by one order at a time.
CREATE UNIQUE INDEX orders_one_live_per_cart ON orders (cart_id) WHERE status NOT IN ('placing', 'cancelled');
CREATE INDEX orders_of_user ON orders (user_id, id DESC) WHERE total IS NOT NULL AND user_id IS NOT NULL;
CREATE INDEX orders_by_email ON orders (email, id DESC) WHERE total IS NOT NULL;
CREATE INDEX orders_unfinished ON orders (id) WHERE status IN ('placing', 'pending_payment');
CREATE INDEX orders_refused ON orders (cancelled_at) WHERE status = 'cancelled' AND total IS NULL;

-- Orders whose end stock, cart and providers have not heard of yet. Rows come and go with each order, which the orders
-- themselves must not feel: a table of its own.
CREATE TABLE effects (
    order_id     UUID PRIMARY KEY REFERENCES orders (id),
    -- Raised by whoever asks again: what was begun before does not count as done then.
    version      BIGINT NOT NULL DEFAULT 1,
    failures     INTEGER NOT NULL DEFAULT 0,
    -- The process that brings them about has them until then, in the database's time.
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);

CREATE TABLE lines (
    id            UUID PRIMARY KEY,
    order_id      UUID NOT NULL REFERENCES orders (id),
    position      BIGINT NOT NULL,
    variant_id    UUID NOT NULL,
    product_id    UUID NOT NULL,
    sku           TEXT,
    title         TEXT NOT NULL,
    variant_title TEXT NOT NULL,
    quantity      BIGINT NOT NULL CHECK (quantity > 0),
    unit_price    BIGINT NOT NULL CHECK (unit_price >= 0),
    discount      BIGINT NOT NULL CHECK (discount >= 0),
    tax           BIGINT NOT NULL CHECK (tax >= 0),
    total         BIGINT NOT NULL CHECK (total >= 0),
    UNIQUE (order_id, position)
);

-- One attempt to pay an order each.
CREATE TABLE payments (
    id         UUID PRIMARY KEY,
    order_id   UUID NOT NULL REFERENCES orders (id),
    provider   TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN
        ('created', 'sent', 'requires_action', 'authorized', 'captured', 'failed', 'unknown', 'voided')),
    amount     BIGINT NOT NULL CHECK (amount > 0),
    currency   TEXT NOT NULL,
    captured   BIGINT NOT NULL DEFAULT 0,
    refunded   BIGINT NOT NULL DEFAULT 0,
    reference  TEXT,
    next_action JSONB,
    failure    TEXT,
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (refunded >= 0 AND refunded <= captured AND captured <= amount),
    CHECK (captured = 0 OR status = 'captured')
) WITH (fillfactor = 80);
CREATE INDEX payments_of_order ON payments (order_id, id);
-- No second attempt while one is open. Successful ones do not count: money that turns up late, after another attempt,
-- must be recorded before it can be given back.
CREATE UNIQUE INDEX payments_one_open_per_order ON payments (order_id)
    WHERE status IN ('created', 'sent', 'requires_action', 'unknown');
CREATE INDEX payments_unresolved ON payments (leased_until) WHERE status IN ('created', 'sent', 'requires_action', 'unknown');

-- What was asked of a provider about an existing payment: capture, void, refund. The id is the provider's idempotency key.
CREATE TABLE operations (
    id         UUID PRIMARY KEY,
    payment_id UUID NOT NULL REFERENCES payments (id),
    kind       TEXT NOT NULL CHECK (kind IN ('capture', 'void', 'refund')),
    status     TEXT NOT NULL CHECK (status IN ('sent', 'succeeded', 'failed')),
    amount     BIGINT NOT NULL CHECK (amount > 0),
    failure    TEXT,
    actor      TEXT NOT NULL,
    leased_until TIMESTAMPTZ NOT NULL DEFAULT '-infinity',
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX operations_of_payment ON operations (payment_id);
-- Whatever spends or releases a payment waits for what was asked before.
CREATE UNIQUE INDEX operations_one_at_a_time ON operations (payment_id) WHERE status = 'sent';

CREATE TABLE timeline (
    order_id UUID NOT NULL REFERENCES orders (id),
    sequence BIGINT GENERATED ALWAYS AS IDENTITY,
    at       TIMESTAMPTZ NOT NULL,
    kind     TEXT NOT NULL,
    actor    TEXT NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

-- An order's life goes forwards only, whatever a program says.
CREATE FUNCTION refuse_illegal_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('placing', 'pending_payment'), ('placing', 'placed'), ('placing', 'cancelled'),
        ('pending_payment', 'placed'), ('pending_payment', 'cancelled'),
        ('placed', 'completed'), ('placed', 'cancelled')
    ) THEN
        RAISE EXCEPTION 'order % cannot go from % to %', OLD.id, OLD.status, NEW.status USING CONSTRAINT = 'orders_legal_status';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_legal_status BEFORE UPDATE OF status ON orders
    FOR EACH ROW EXECUTE FUNCTION refuse_illegal_status();
