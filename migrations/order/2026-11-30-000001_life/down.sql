DROP TABLE draft_orders, restocks, extra_reservations, edits, return_lines, returns, fulfilment_lines, fulfilments;
DROP TRIGGER timeline_append_only ON timeline;
DROP FUNCTION refuse_timeline_change, refuse_illegal_return_status, refuse_illegal_fulfilment_status;
ALTER TABLE timeline DROP COLUMN actor_id, DROP COLUMN detail, DROP COLUMN internal;
ALTER TABLE lines
    DROP COLUMN reservation_id, DROP COLUMN taxes, DROP COLUMN returned, DROP COLUMN announced, DROP COLUMN fulfilled,
    DROP CONSTRAINT lines_quantity_check, ADD CONSTRAINT lines_quantity_check CHECK (quantity > 0);
ALTER TABLE orders DROP COLUMN granted, ALTER COLUMN cart_id SET NOT NULL;
ALTER TABLE operations DROP COLUMN final, DROP COLUMN granted, DROP COLUMN reason, DROP COLUMN return_id, DROP COLUMN actor_id;
DROP TRIGGER payments_legal_status ON payments;
DROP FUNCTION refuse_illegal_payment_status;
ALTER TABLE payments
    DROP CONSTRAINT payments_captured,
    ADD CONSTRAINT payments_check1 CHECK (captured = 0 OR status = 'captured');
CREATE OR REPLACE FUNCTION refuse_illegal_status() RETURNS trigger LANGUAGE plpgsql AS $$
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
