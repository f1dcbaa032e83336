-- What merchants say of the search. Whoever writes any of it writes the one row of `search_settings` first, so that writers
-- follow each other, and whoever holds that row reads all of it as it was at one moment.

CREATE TABLE search_settings (
    is_one             BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_one),
    -- Raised with every change of anything in these tables.
    revision           BIGINT NOT NULL DEFAULT 1,
    -- Folded as the search folds words.
    stop_words         TEXT[] NOT NULL DEFAULT '{}' CHECK (cardinality(stop_words) <= 500),
    stop_words_version BIGINT NOT NULL DEFAULT 1
);
INSERT INTO search_settings DEFAULT VALUES;

-- Words that mean the same, or what is found beside one of them.
CREATE TABLE search_synonyms (
    id           UUID PRIMARY KEY,
    terms        TEXT[] NOT NULL CHECK (cardinality(terms) BETWEEN 1 AND 20),
    one_way_from TEXT CHECK (length(one_way_from) BETWEEN 1 AND 80),
    version      BIGINT NOT NULL DEFAULT 1,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT search_synonyms_several CHECK (one_way_from IS NOT NULL OR cardinality(terms) >= 2)
);

-- Where products stand when somebody searches for something.
CREATE TABLE search_rules (
    id         UUID PRIMARY KEY,
    query      TEXT NOT NULL CHECK (length(query) BETWEEN 1 AND 200),
    match      TEXT NOT NULL CHECK (match IN ('exact', 'contains')),
    version    BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE search_rule_products (
    rule_id    UUID NOT NULL REFERENCES search_rules (id) ON DELETE CASCADE,
    product_id UUID NOT NULL REFERENCES products (id),
    effect     TEXT NOT NULL CHECK (effect IN ('pin', 'boost', 'bury')),
    position   INTEGER NOT NULL,
    PRIMARY KEY (rule_id, product_id)
);
CREATE INDEX search_rule_products_product ON search_rule_products (product_id);
