-- What search needs to know beside the catalogue itself. The index is in files; these are its notes.

-- Names the catalogue. An index that was made of another database is not taken for one of this.
CREATE TABLE search_catalogue (
    is_single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_single),
    identity  UUID NOT NULL
);
INSERT INTO search_catalogue (identity) VALUES (gen_random_uuid());

-- Products that could not be indexed.
CREATE TABLE search_parked (
    product_id UUID PRIMARY KEY REFERENCES products (id),
    reason     TEXT NOT NULL,
    parked_at  TIMESTAMPTZ NOT NULL
);
