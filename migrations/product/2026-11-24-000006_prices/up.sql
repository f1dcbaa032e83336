-- Prices in further currencies, by quantity, on lists with a window of time or for a group of customers; and what they
-- were before.

-- What the merchant wrote is kept apart from what holds. `price_minor`, `compare_at_minor`, `steps` and `lowest_minor` are
-- what everybody is offered now, in the currency of the product, kept by whoever writes one of its sources.
ALTER TABLE variants
    ADD COLUMN base_minor BIGINT CONSTRAINT variants_base CHECK (base_minor BETWEEN 0 AND 999999999999),
    ADD COLUMN base_compare_at_minor BIGINT
        CONSTRAINT variants_base_compare_at CHECK (base_compare_at_minor BETWEEN 0 AND 999999999999),
    -- In other currencies, and from larger quantities on, as they were written; read and checked by us alone.
    ADD COLUMN further_prices JSON,
    -- What one costs from larger quantities on.
    ADD COLUMN steps JSON,
    -- The lowest price of the 30 days before the present reduction began; none where nothing is reduced.
    ADD COLUMN lowest_minor BIGINT CHECK (lowest_minor BETWEEN 0 AND 999999999999),
    ADD COLUMN price_since TIMESTAMPTZ;
UPDATE variants SET base_minor = price_minor, base_compare_at_minor = compare_at_minor, price_since = updated_at;
ALTER TABLE variants ALTER COLUMN base_minor SET NOT NULL, ALTER COLUMN price_since SET NOT NULL;

-- The same offer in a further currency: what has no row here is not sold in it.
CREATE TABLE offers (
    variant_id       UUID NOT NULL REFERENCES variants (id),
    currency         TEXT NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_minor      BIGINT NOT NULL CHECK (price_minor BETWEEN 0 AND 999999999999),
    compare_at_minor BIGINT CHECK (compare_at_minor BETWEEN 0 AND 999999999999),
    steps            JSON,
    lowest_minor     BIGINT CHECK (lowest_minor BETWEEN 0 AND 999999999999),
    price_since      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (variant_id, currency)
);

-- Prices that lower others: for everybody or for one group of customers (an id of the user module), in one currency.
CREATE TABLE price_lists (
    id                UUID PRIMARY KEY,
    name              TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    currency          TEXT NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status            TEXT NOT NULL CHECK (status IN ('draft', 'active')),
    customer_group_id UUID,
    starts_at         TIMESTAMPTZ,    -- the first moment at which it holds
    ends_at           TIMESTAMPTZ,    -- the first at which it no longer does
    version           BIGINT NOT NULL DEFAULT 1,
    created_at        TIMESTAMPTZ NOT NULL,
    updated_at        TIMESTAMPTZ NOT NULL,
    deleted_at        TIMESTAMPTZ,
    -- When its prices have to be carried over to what everybody is offered: the next end of its window, or at once.
    apply_at          TIMESTAMPTZ,
    applied_after     UUID,           -- the last variant for which that was done
    CONSTRAINT price_lists_window CHECK (starts_at < ends_at)
);
CREATE INDEX price_lists_apply_at ON price_lists (apply_at) WHERE apply_at IS NOT NULL;

CREATE TABLE list_prices (
    price_list_id    UUID NOT NULL REFERENCES price_lists (id) ON DELETE CASCADE,
    variant_id       UUID NOT NULL REFERENCES variants (id),
    min_quantity     BIGINT NOT NULL CHECK (min_quantity BETWEEN 1 AND 999),
    price_minor      BIGINT NOT NULL CHECK (price_minor BETWEEN 0 AND 999999999999),
    compare_at_minor BIGINT CHECK (compare_at_minor BETWEEN 0 AND 999999999999),
    PRIMARY KEY (price_list_id, variant_id, min_quantity),
    CONSTRAINT list_prices_compare_at CHECK (compare_at_minor IS NULL OR min_quantity = 1)
);
CREATE INDEX list_prices_variant ON list_prices (variant_id);

-- What one cost everybody, before it cost what it costs now: appended in the transaction that changes the price.
CREATE TABLE price_history (
    variant_id  UUID NOT NULL REFERENCES variants (id),
    currency    TEXT NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    price_minor BIGINT NOT NULL CHECK (price_minor BETWEEN 0 AND 999999999999),
    held_from   TIMESTAMPTZ NOT NULL,
    held_until  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (variant_id, currency, held_until),
    CONSTRAINT price_history_time CHECK (held_from < held_until)
);
