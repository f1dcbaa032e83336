-- Groups of customers, who may have prices of their own. An account belongs to one at most.
CREATE TABLE customer_groups (
    id         UUID PRIMARY KEY,
    name       TEXT NOT NULL CONSTRAINT customer_groups_name_key UNIQUE CHECK (length(name) BETWEEN 1 AND 120),
    version    BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

ALTER TABLE users
    ADD COLUMN customer_group_id UUID CONSTRAINT users_customer_group_id_fkey REFERENCES customer_groups (id),
    ADD CONSTRAINT users_deleted_belong_to_no_group CHECK (deleted_at IS NULL OR customer_group_id IS NULL);
CREATE INDEX users_of_group ON users (customer_group_id) WHERE customer_group_id IS NOT NULL;
