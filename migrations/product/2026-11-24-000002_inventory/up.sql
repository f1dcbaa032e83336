-- Stock of each variant at each location, what may be sold beyond it, and transfers between locations.

-- Where stock lies. What is deleted stays for the books that refer to it. One is the default: it is always there, so that
-- whoever names no location means it.
CREATE TABLE locations (
    id             UUID PRIMARY KEY,
    handle         TEXT NOT NULL CHECK (handle ~ '^[a-z0-9-]{1,120}$'),
    name           TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    priority       INTEGER NOT NULL,    -- the lowest goes first
    active         BOOLEAN NOT NULL,
    fulfils_online BOOLEAN NOT NULL,
    is_default     BOOLEAN NOT NULL DEFAULT FALSE,
    version        BIGINT NOT NULL DEFAULT 1,
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    deleted_at     TIMESTAMPTZ,
    -- Whether orders of the shop are served from here.
    sells          BOOLEAN NOT NULL GENERATED ALWAYS AS (active AND fulfils_online AND deleted_at IS NULL) STORED,
    CONSTRAINT locations_default_sells CHECK (NOT is_default OR sells)
);
CREATE UNIQUE INDEX locations_handle_key ON locations (handle) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX locations_one_default ON locations (is_default) WHERE is_default;
-- The id is known to the code, which need not ask for it.
INSERT INTO locations (id, handle, name, priority, active, fulfils_online, is_default, created_at, updated_at)
VALUES ('01900000-0000-7000-8000-000000000001', 'default', 'Default', 0, TRUE, TRUE, TRUE, now(), now());

-- What may be sold of a variant beyond what there is: down to `backorder_limit` below zero, or, before the day on which
-- it ships, `preorder_limit`. It is promised from the default location.
ALTER TABLE variants
    ADD COLUMN backorder_limit BIGINT NOT NULL DEFAULT 0 CHECK (backorder_limit BETWEEN 0 AND 1000000000),
    ADD COLUMN preorder_until DATE,
    ADD COLUMN preorder_limit BIGINT NOT NULL DEFAULT 0 CHECK (preorder_limit BETWEEN 0 AND 1000000000),
    ADD COLUMN low_stock_threshold BIGINT CHECK (low_stock_threshold BETWEEN 1 AND 1000000000),
    ADD COLUMN stock_version BIGINT NOT NULL DEFAULT 1,
    ADD CONSTRAINT variants_preorder CHECK (preorder_until IS NOT NULL OR preorder_limit = 0);
-- Those whose day has come are looked for every day.
CREATE INDEX variants_preorder_until ON variants (preorder_until) WHERE preorder_until IS NOT NULL;

-- The row of a location. `oversell` is how far below zero the row may go: it follows the limits of the variant, but is
-- never less than what was promised already when they were lowered. Staff may book up to 1,000,000,000; what orders give back
-- comes on top of that, as it must never be refused.
ALTER TABLE stock
    ADD COLUMN location_id UUID NOT NULL DEFAULT '01900000-0000-7000-8000-000000000001' REFERENCES locations (id),
    ADD COLUMN oversell BIGINT NOT NULL DEFAULT 0 CHECK (oversell >= 0);
ALTER TABLE stock ALTER COLUMN location_id DROP DEFAULT;
ALTER TABLE stock DROP CONSTRAINT stock_on_hand, DROP CONSTRAINT stock_reserved,
    ADD CONSTRAINT stock_on_hand CHECK (on_hand BETWEEN -oversell AND 2000000000),
    ADD CONSTRAINT stock_reserved CHECK (reserved >= 0 AND on_hand - reserved >= -oversell);
ALTER TABLE stock DROP CONSTRAINT stock_pkey, ADD PRIMARY KEY (variant_id, location_id);
CREATE INDEX stock_location ON stock (location_id);

-- Lines refer to the row of stock that they hold, which is locked by then: that costs no lock of its own.
ALTER TABLE reservation_lines
    ADD COLUMN location_id UUID NOT NULL DEFAULT '01900000-0000-7000-8000-000000000001';
ALTER TABLE reservation_lines ALTER COLUMN location_id DROP DEFAULT;
ALTER TABLE reservation_lines DROP CONSTRAINT reservation_lines_variant_id_fkey,
    DROP CONSTRAINT reservation_lines_pkey,
    ADD PRIMARY KEY (reservation_id, variant_id, location_id),
    ADD CONSTRAINT reservation_lines_stock_fkey FOREIGN KEY (variant_id, location_id) REFERENCES stock;

CREATE TABLE stock_transfers (
    id               UUID PRIMARY KEY,
    from_location_id UUID NOT NULL REFERENCES locations (id),
    to_location_id   UUID NOT NULL REFERENCES locations (id),
    reason           TEXT NOT NULL,
    actor            TEXT NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    CONSTRAINT stock_transfers_ends CHECK (from_location_id <> to_location_id)
);

ALTER TABLE stock_movements
    ADD COLUMN location_id UUID NOT NULL DEFAULT '01900000-0000-7000-8000-000000000001',
    ADD COLUMN transfer_id UUID REFERENCES stock_transfers (id);
ALTER TABLE stock_movements ALTER COLUMN location_id DROP DEFAULT;
ALTER TABLE stock_movements DROP CONSTRAINT stock_movements_variant_id_fkey,
    DROP CONSTRAINT stock_movements_once,
    DROP CONSTRAINT stock_movements_kind_check,
    ADD CONSTRAINT stock_movements_stock_fkey FOREIGN KEY (variant_id, location_id) REFERENCES stock,
    ADD CONSTRAINT stock_movements_once UNIQUE (reservation_id, variant_id, location_id, kind),
    ADD CONSTRAINT stock_movements_kind_check
        CHECK (kind IN ('initial', 'adjustment', 'import', 'sale', 'restock', 'transfer', 'count')),
    ADD CONSTRAINT stock_movements_transfer CHECK ((kind = 'transfer') = (transfer_id IS NOT NULL));
-- The lines of a transfer are its movements.
CREATE INDEX stock_movements_transfer_id ON stock_movements (transfer_id) WHERE transfer_id IS NOT NULL;

-- How far below zero a variant may be sold at `now`.
CREATE FUNCTION oversell_limit(backorder_limit BIGINT, preorder_until DATE, preorder_limit BIGINT, now TIMESTAMPTZ)
RETURNS BIGINT LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    CASE WHEN preorder_until > (now AT TIME ZONE 'UTC')::date THEN preorder_limit ELSE backorder_limit END;

-- An id as the API writes it: a prefix, and the UUID in the TypeID alphabet.
CREATE FUNCTION type_id(kind TEXT, id UUID) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    kind || '_' || (SELECT string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
        substring(B'00' || ('x' || replace(id::text, '-', ''))::bit(128) FROM digit * 5 + 1 FOR 5)::bit(5)::integer + 1, 1),
        '' ORDER BY digit) FROM generate_series(0, 25) AS digit);

-- The events of stock that goes from `before` to `after`, summed over the locations that sell: one for each line that is
-- crossed. Here and not in the code, so that a statement which serves many orders tells of them itself.
CREATE FUNCTION stock_events(variant_id UUID, product_id UUID, threshold BIGINT, before BIGINT, after BIGINT)
RETURNS TABLE (type TEXT, subject TEXT, data JSONB) LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT line.type, type_id('variant', variant_id), jsonb_build_object('variant', type_id('variant', variant_id),
        'product', type_id('product', product_id), 'available', after)
    FROM (VALUES ('stock.low', before > threshold AND after <= threshold), ('stock.out', before > 0 AND after <= 0),
        ('stock.back', before <= 0 AND after > 0)) AS line (type, is_crossed)
    WHERE line.is_crossed;
END;
