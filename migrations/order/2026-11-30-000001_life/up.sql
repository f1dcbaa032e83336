-- What happens to an order after it is placed: money taken and given back in parts, parcels, returns, changes.

-- Money is taken in parts where the provider knows that; what is not taken is promised still, until it is let go.
ALTER TABLE payments
    DROP CONSTRAINT payments_check1,
    ADD CONSTRAINT payments_captured CHECK (captured = 0 OR status IN ('authorized', 'captured'));
-- Late news never takes an attempt back, whatever a program says. Money that turns up after an attempt was given up is still
-- money.
CREATE FUNCTION refuse_illegal_payment_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('created', 'sent'), ('created', 'failed'),
        ('sent', 'requires_action'), ('sent', 'authorized'), ('sent', 'captured'), ('sent', 'failed'), ('sent', 'unknown'),
        ('sent', 'voided'),
        ('unknown', 'requires_action'), ('unknown', 'authorized'), ('unknown', 'captured'), ('unknown', 'failed'),
        ('unknown', 'voided'),
        ('requires_action', 'authorized'), ('requires_action', 'captured'), ('requires_action', 'failed'),
        ('requires_action', 'voided'),
        ('authorized', 'captured'), ('authorized', 'voided'),
        ('failed', 'authorized'), ('failed', 'captured')
    ) THEN
        RAISE EXCEPTION 'payment % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING CONSTRAINT = 'payments_legal_status';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payments_legal_status BEFORE UPDATE OF status ON payments
    FOR EACH ROW EXECUTE FUNCTION refuse_illegal_payment_status();

ALTER TABLE operations
    -- A capture after which the rest is let go.
    ADD COLUMN final BOOLEAN NOT NULL DEFAULT FALSE,
    -- A refund by which the order is worth less: it was granted. Otherwise money is returned that the order does not need.
    ADD COLUMN granted BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN reason TEXT CHECK (length(reason) BETWEEN 1 AND 500),
    ADD COLUMN return_id UUID,
    ADD COLUMN actor_id UUID;

ALTER TABLE orders
    ALTER COLUMN cart_id DROP NOT NULL,
    -- What was given back although the order was worth it, in minor units.
    ADD COLUMN granted BIGINT NOT NULL DEFAULT 0 CHECK (granted >= 0);

-- What staff have given back so far was granted.
UPDATE operations SET granted = TRUE WHERE kind = 'refund' AND actor = 'staff';
UPDATE orders SET granted = least(orders.amount_due, refunded.amount)
FROM (SELECT payments.order_id, sum(operations.amount)::bigint AS amount
    FROM operations JOIN payments ON payments.id = operations.payment_id
    WHERE operations.granted AND operations.status = 'succeeded' GROUP BY payments.order_id) AS refunded
WHERE orders.id = refunded.order_id AND orders.status IN ('placed', 'completed');

-- A line that is taken off an order stays, with nothing in it.
ALTER TABLE lines
    DROP CONSTRAINT lines_quantity_check,
    ADD CONSTRAINT lines_quantity_check CHECK (quantity >= 0),
    ADD COLUMN fulfilled BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN announced BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN returned BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN taxes JSON NOT NULL DEFAULT '[]',
    ADD CONSTRAINT lines_fulfilled CHECK (fulfilled BETWEEN 0 AND quantity),
    ADD CONSTRAINT lines_announced CHECK (announced BETWEEN 0 AND fulfilled),
    ADD CONSTRAINT lines_returned CHECK (returned BETWEEN 0 AND announced);

-- What is exchanged makes a completed order one that something is left to do for.
CREATE OR REPLACE FUNCTION refuse_illegal_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('placing', 'pending_payment'), ('placing', 'placed'), ('placing', 'cancelled'),
        ('pending_payment', 'placed'), ('pending_payment', 'cancelled'),
        ('placed', 'completed'), ('placed', 'cancelled'), ('completed', 'placed')
    ) THEN
        RAISE EXCEPTION 'order % cannot go from % to %', OLD.id, OLD.status, NEW.status USING CONSTRAINT = 'orders_legal_status';
    END IF;
    RETURN NEW;
END $$;

-- Parcels.
CREATE TABLE fulfilments (
    id              UUID PRIMARY KEY,
    order_id        UUID NOT NULL REFERENCES orders (id),
    status          TEXT NOT NULL CHECK (status IN ('shipped', 'delivered', 'cancelled')),
    carrier         TEXT,
    tracking_number TEXT,
    tracking_url    TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    delivered_at    TIMESTAMPTZ,
    CHECK ((status = 'delivered') = (delivered_at IS NOT NULL))
);
CREATE INDEX fulfilments_of_order ON fulfilments (order_id, id);
CREATE TABLE fulfilment_lines (
    fulfilment_id UUID NOT NULL REFERENCES fulfilments (id),
    line_id       UUID NOT NULL REFERENCES lines (id),
    quantity      BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (fulfilment_id, line_id)
);

-- Goods that come back.
CREATE TABLE returns (
    id          UUID PRIMARY KEY,
    order_id    UUID NOT NULL REFERENCES orders (id),
    status      TEXT NOT NULL CHECK (status IN ('requested', 'approved', 'rejected', 'cancelled', 'received')),
    note        TEXT,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    received_at TIMESTAMPTZ,
    CHECK ((status = 'received') = (received_at IS NOT NULL))
);
CREATE INDEX returns_of_order ON returns (order_id, id);
CREATE TABLE return_lines (
    return_id UUID NOT NULL REFERENCES returns (id),
    line_id   UUID NOT NULL REFERENCES lines (id),
    quantity  BIGINT NOT NULL CHECK (quantity > 0),
    reason    TEXT NOT NULL CHECK (reason IN
        ('unwanted', 'wrong_item', 'wrong_size', 'not_as_described', 'defective', 'damaged', 'late', 'other')),
    -- How many came, and how many of those can be sold again.
    received  BIGINT NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND quantity),
    restocked BIGINT NOT NULL DEFAULT 0 CHECK (restocked BETWEEN 0 AND received),
    -- What the buyer paid for those that came, in minor units.
    value     BIGINT NOT NULL DEFAULT 0 CHECK (value >= 0),
    PRIMARY KEY (return_id, line_id)
);

CREATE FUNCTION refuse_illegal_fulfilment_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (('shipped', 'delivered'), ('shipped', 'cancelled')) THEN
        RAISE EXCEPTION 'fulfilment % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING CONSTRAINT = 'fulfilments_legal_status';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fulfilments_legal_status BEFORE UPDATE OF status ON fulfilments
    FOR EACH ROW EXECUTE FUNCTION refuse_illegal_fulfilment_status();

CREATE FUNCTION refuse_illegal_return_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
        ('requested', 'approved'), ('requested', 'rejected'), ('requested', 'cancelled'),
        ('approved', 'received'), ('approved', 'cancelled')
    ) THEN
        RAISE EXCEPTION 'return % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING CONSTRAINT = 'returns_legal_status';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER returns_legal_status BEFORE UPDATE OF status ON returns
    FOR EACH ROW EXECUTE FUNCTION refuse_illegal_return_status();

-- Changes of placed orders.
CREATE TABLE edits (
    id         UUID PRIMARY KEY,
    order_id   UUID NOT NULL REFERENCES orders (id),
    reason     TEXT,
    actor_id   UUID,
    -- What was changed, and what the order cost before and after.
    changes    JSON NOT NULL,
    before     JSON NOT NULL,
    after      JSON NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX edits_of_order ON edits (order_id, id);

-- Stock that is set aside for an order beside what it was placed with. Written before stock is asked, so that whoever dies
-- in between leaves a trace: what is only `asked` for when its lease has run out is given back.
CREATE TABLE extra_reservations (
    id           UUID PRIMARY KEY,
    order_id     UUID NOT NULL REFERENCES orders (id),
    state        TEXT NOT NULL CHECK (state IN ('asked', 'kept', 'given_up')),
    -- Whether stock has heard of what became of it.
    told         BOOLEAN NOT NULL DEFAULT FALSE,
    leased_until TIMESTAMPTZ NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX extra_reservations_of_order ON extra_reservations (order_id);
CREATE INDEX extra_reservations_asked ON extra_reservations (leased_until) WHERE state = 'asked';

-- Goods that go back into stock, until stock has heard of them.
CREATE TABLE restocks (
    id             UUID PRIMARY KEY,
    order_id       UUID NOT NULL REFERENCES orders (id),
    reservation_id UUID NOT NULL,
    variant_ids    UUID[] NOT NULL,
    quantities     BIGINT[] NOT NULL,
    told           BOOLEAN NOT NULL DEFAULT FALSE,
    created_at     TIMESTAMPTZ NOT NULL,
    CHECK (cardinality(variant_ids) = cardinality(quantities) AND cardinality(variant_ids) > 0)
);
CREATE INDEX restocks_untold ON restocks (order_id) WHERE NOT told;

-- Which reservation a line's goods are of: the order's own where there is none.
ALTER TABLE lines ADD COLUMN reservation_id UUID;

-- The timeline tells who, and more where there is more to tell.
ALTER TABLE timeline
    ADD COLUMN actor_id UUID,
    ADD COLUMN detail   JSON,
    -- Notes among staff are not for the buyer.
    ADD COLUMN internal BOOLEAN NOT NULL DEFAULT FALSE;
CREATE FUNCTION refuse_timeline_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the timeline is append-only' USING CONSTRAINT = 'timeline_append_only';
END $$;
CREATE TRIGGER timeline_append_only BEFORE UPDATE OR DELETE ON timeline
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_timeline_change();

-- Orders that staff prepare.
CREATE TABLE draft_orders (
    id         UUID PRIMARY KEY,
    version    BIGINT NOT NULL DEFAULT 1,
    content    JSON NOT NULL,
    -- The order that it has become.
    order_id   UUID UNIQUE,
    created_by UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX draft_orders_open ON draft_orders (id DESC) WHERE order_id IS NULL;
