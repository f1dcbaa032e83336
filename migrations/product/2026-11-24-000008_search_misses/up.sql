-- What visitors searched for and nothing was found, counted by day (UTC). Old days are removed; the number of different
-- searches of a day is limited by whoever writes, who holds the table.
CREATE TABLE search_misses (
    day          DATE NOT NULL,
    query        TEXT NOT NULL CHECK (length(query) BETWEEN 1 AND 100),
    count        BIGINT NOT NULL CHECK (count > 0),
    last_seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (day, query)
);
