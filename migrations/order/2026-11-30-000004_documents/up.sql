-- Numbers without gaps are counted here, in the transaction of whatever gets one: a sequence gives numbers away for good.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    -- The number that was given last.
    last BIGINT NOT NULL CHECK (last >= 0)
);
INSERT INTO counters (name, last) VALUES ('orders', 1000);

-- Where numbers have no gaps, an order has none until it can be seen.
ALTER TABLE orders ALTER COLUMN number DROP NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_numbered CHECK (total IS NULL OR number IS NOT NULL) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT orders_numbered;

-- Invoices and credit notes. `content` is all that the document says, in the words in which it was issued: nothing that
-- changes elsewhere later changes it.
CREATE TABLE documents (
    id         UUID PRIMARY KEY,
    order_id   UUID NOT NULL REFERENCES orders (id),
    kind       TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    -- Within a series numbers are counted; with a `{year}` in the prefix each year is one.
    series     TEXT NOT NULL,
    sequence   BIGINT NOT NULL CHECK (sequence > 0),
    number     TEXT NOT NULL,
    -- What a credit note takes back a part of.
    invoice_id UUID REFERENCES documents (id),
    -- What it was issued for, by which it is issued once.
    key        TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    currency   TEXT NOT NULL,
    net        BIGINT NOT NULL,
    tax        BIGINT NOT NULL,
    gross      BIGINT NOT NULL CHECK (gross >= 0),
    content    JSON NOT NULL,
    issued_at  TIMESTAMPTZ NOT NULL,
    CHECK (net + tax = gross),
    CHECK ((kind = 'credit_note') = (invoice_id IS NOT NULL)),
    CONSTRAINT documents_number UNIQUE (kind, number),
    CONSTRAINT documents_sequence UNIQUE (kind, series, sequence),
    CONSTRAINT documents_issued_once UNIQUE (order_id, kind, key)
);

-- The positions of invoices, and how much of each was credited: never more than was billed, whoever credits.
CREATE TABLE invoiced (
    document_id       UUID NOT NULL REFERENCES documents (id),
    position          INTEGER NOT NULL CHECK (position > 0),
    -- Null for what shipping costs.
    line_id           UUID,
    quantity          BIGINT NOT NULL CHECK (quantity > 0),
    tax               BIGINT NOT NULL,
    gross             BIGINT NOT NULL CHECK (gross >= 0),
    credited_quantity BIGINT NOT NULL DEFAULT 0,
    credited_tax      BIGINT NOT NULL DEFAULT 0,
    credited_gross    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (document_id, position),
    CONSTRAINT invoiced_credited_quantity CHECK (credited_quantity BETWEEN 0 AND quantity),
    CONSTRAINT invoiced_credited_gross CHECK (credited_gross BETWEEN 0 AND gross),
    CONSTRAINT invoiced_credited_tax CHECK (credited_tax BETWEEN least(tax, 0) AND greatest(tax, 0))
);

-- What was issued stays as it is, whatever a program says.
CREATE FUNCTION refuse_change_of_document() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'document % cannot be changed', OLD.id USING CONSTRAINT = 'documents_unchanged';
END $$;
CREATE TRIGGER documents_unchanged BEFORE UPDATE OR DELETE ON documents
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_document();
