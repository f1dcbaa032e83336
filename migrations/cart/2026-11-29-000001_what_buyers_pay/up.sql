-- What staff have said of prices (promotions, shipping and tax) is taken into memory by every process as a whole. Whoever
-- changes any of it raises the revision in the same transaction; an order is locked under the revision that it was priced by.
CREATE TABLE rules (
    id       BOOLEAN PRIMARY KEY DEFAULT true CHECK (id),
    revision BIGINT NOT NULL
);
INSERT INTO rules (revision) VALUES (1);

CREATE TABLE promotions (
    id                       UUID PRIMARY KEY,
    name                     TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    -- Given only to carts with one of its codes; otherwise to all.
    needs_code               BOOLEAN NOT NULL,
    enabled                  BOOLEAN NOT NULL,
    priority                 INTEGER NOT NULL,
    exclusive                BOOLEAN NOT NULL,
    starts_at                TIMESTAMPTZ,
    ends_at                  TIMESTAMPTZ,
    -- On what, under which conditions, and what is taken off: `Terms` of cart-pricing.
    terms                    JSONB NOT NULL,
    usage_limit              BIGINT CHECK (usage_limit > 0),
    usage_limit_per_customer BIGINT CHECK (usage_limit_per_customer > 0),
    budget_minor             BIGINT CHECK (budget_minor > 0),
    budget_currency          TEXT CHECK (budget_currency ~ '^[A-Z]{3}$'),
    -- How many living orders use it, and what it takes off in them. Kept while there is one of the two limits, so that a
    -- promotion without limits is not written by every order; counted anew from `promotion_uses` when a limit is set.
    uses                     BIGINT NOT NULL DEFAULT 0 CHECK (uses >= 0),
    spent_minor              BIGINT NOT NULL DEFAULT 0 CHECK (spent_minor >= 0),
    version                  BIGINT NOT NULL CHECK (version > 0),
    created_at               TIMESTAMPTZ NOT NULL,
    updated_at               TIMESTAMPTZ NOT NULL,
    CONSTRAINT promotions_budget_check CHECK ((budget_minor IS NULL) = (budget_currency IS NULL)),
    CONSTRAINT promotions_time_check CHECK (starts_at < ends_at)
);

-- Codes as they are compared: in capitals.
CREATE TABLE promotion_codes (
    code         TEXT PRIMARY KEY CHECK (code ~ '^[A-Z0-9_-]{3,40}$'),
    promotion_id UUID NOT NULL REFERENCES promotions ON DELETE CASCADE,
    -- Never changed: how often a code without a limit is used is not counted.
    usage_limit  BIGINT CHECK (usage_limit > 0),
    uses         BIGINT NOT NULL DEFAULT 0 CHECK (uses >= 0 AND uses <= coalesce(usage_limit, 0)),
    created_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX promotion_codes_of_promotion ON promotion_codes (promotion_id, code);

-- What living orders use. An order that dies gives it all back.
CREATE TABLE promotion_uses (
    order_id     UUID NOT NULL,
    promotion_id UUID NOT NULL REFERENCES promotions,
    code         TEXT,
    -- Who is counted: `user_…`, or what the shop's key makes of the e-mail address of a guest.
    customer     TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
    currency     TEXT NOT NULL,
    used_at      TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (order_id, promotion_id)
);
CREATE INDEX promotion_uses_of_promotion ON promotion_uses (promotion_id, code);

-- How many living orders of each customer use a promotion.
CREATE TABLE promotion_customers (
    promotion_id UUID NOT NULL REFERENCES promotions ON DELETE CASCADE,
    customer     TEXT NOT NULL,
    uses         BIGINT NOT NULL CHECK (uses >= 0),
    PRIMARY KEY (promotion_id, customer)
);

-- Money that was paid, or granted, before: gift cards, which whoever has the code may use, and the store credit of a user.
CREATE TABLE gift_cards (
    id              UUID PRIMARY KEY,
    -- SHA-256 of the code, which nobody keeps.
    code_hash       BYTEA,
    last_characters TEXT,
    user_id         UUID,
    currency        TEXT NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    balance_minor   BIGINT NOT NULL CHECK (balance_minor BETWEEN 0 AND 999999999999),
    enabled         BOOLEAN NOT NULL,
    expires_at      TIMESTAMPTZ,
    version         BIGINT NOT NULL CHECK (version > 0),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT gift_cards_code_key UNIQUE (code_hash),
    CONSTRAINT gift_cards_user_currency_key UNIQUE (user_id, currency),
    CONSTRAINT gift_cards_kind_check CHECK (
        (code_hash IS NULL) = (user_id IS NOT NULL) AND (code_hash IS NULL) = (last_characters IS NULL)
    )
);

-- The ledger: the balance of a card is the sum of its entries, and none is ever changed.
CREATE TABLE gift_card_entries (
    id           UUID PRIMARY KEY,
    gift_card_id UUID NOT NULL REFERENCES gift_cards,
    kind         TEXT NOT NULL CHECK (kind IN ('issued', 'spent', 'returned', 'adjusted')),
    amount_minor BIGINT NOT NULL,
    order_id     UUID,
    -- Who of the staff wrote it, and why.
    staff_id     UUID,
    reason       TEXT CHECK (length(reason) BETWEEN 1 AND 500),
    created_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT gift_card_entries_order_key UNIQUE (order_id, gift_card_id, kind),
    CONSTRAINT gift_card_entries_order_check CHECK ((order_id IS NOT NULL) = (kind IN ('spent', 'returned'))),
    CONSTRAINT gift_card_entries_amount_check CHECK (
        CASE kind WHEN 'spent' THEN amount_minor < 0 WHEN 'adjusted' THEN amount_minor <> 0 ELSE amount_minor > 0 END
    )
);
CREATE INDEX gift_card_entries_of_card ON gift_card_entries (gift_card_id, id);

-- Where goods are sent how: name, areas and methods, as the API shows them.
CREATE TABLE shipping_zones (
    id         UUID PRIMARY KEY,
    content    JSONB NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Where what is taxed how, likewise.
CREATE TABLE tax_zones (
    id         UUID PRIMARY KEY,
    content    JSONB NOT NULL,
    version    BIGINT NOT NULL CHECK (version > 0),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE carts
    -- What the buyer has chosen and given; codes in the order in which they were given.
    ADD COLUMN shipping_method_id UUID,
    ADD COLUMN tax_number         TEXT CHECK (length(tax_number) BETWEEN 1 AND 30),
    ADD COLUMN promotion_codes    TEXT[] NOT NULL DEFAULT '{}',
    ADD COLUMN gift_card_ids      UUID[] NOT NULL DEFAULT '{}',
    ADD COLUMN uses_store_credit  BOOLEAN NOT NULL DEFAULT false,
    -- What the buyer was last shown: what everything costs. NULL only where that was before this column.
    ADD COLUMN prices             JSON;

-- What promotions, shipping and taxes go by, as the catalogue last said.
ALTER TABLE items ADD COLUMN traits JSON NOT NULL DEFAULT '{"categories":[],"collections":[],"tags":[],"tax_class":"standard","weight_grams":0,"requires_shipping":true}';
ALTER TABLE items ALTER COLUMN traits DROP DEFAULT;
