-- Accounts. A deleted account keeps its row, so that orders still have a customer, and loses everything personal.
CREATE TABLE users (
    id              UUID PRIMARY KEY,
    -- As its owner writes it.
    email           TEXT,
    -- Lower case: what makes an account unique.
    email_canonical TEXT,
    name            TEXT,
    -- argon2id as a PHC string.
    password_hash   TEXT,
    roles           TEXT[] NOT NULL CHECK (roles <@ ARRAY['admin']),
    version         BIGINT NOT NULL DEFAULT 1,
    disabled_at     TIMESTAMPTZ,
    deleted_at      TIMESTAMPTZ,
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT users_personal_data_goes_with_the_account CHECK (
        CASE WHEN deleted_at IS NULL
            THEN num_nulls(email, email_canonical, password_hash) = 0
            ELSE num_nonnulls(email, email_canonical, password_hash, name) = 0 AND roles = '{}'
        END
    )
);
CREATE UNIQUE INDEX users_email_key ON users (email_canonical);
-- Few rows: who administers the shop, locked when one of them is about to lose the role.
CREATE INDEX users_active_admins ON users (id) WHERE 'admin' = ANY (roles) AND disabled_at IS NULL;

CREATE TABLE addresses (
    id         UUID PRIMARY KEY,
    user_id    UUID NOT NULL REFERENCES users (id),
    -- As the API shows it: read and written whole, never searched.
    address    JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX addresses_of_user ON addresses (user_id, id);

-- Sign-ins. A session that ends is removed, so that a row is a session that holds until it expires.
-- No refresh token is stored: it is derived from the id, the generation, the nonce and a key that is not in here.
CREATE TABLE sessions (
    id           UUID PRIMARY KEY,
    user_id      UUID NOT NULL REFERENCES users (id),
    nonce        BYTEA NOT NULL CHECK (octet_length(nonce) = 16),
    -- Which refresh token is the current one; grows by one with each refresh.
    generation   INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
    user_agent   TEXT CHECK (length(user_agent) <= 200),
    created_at   TIMESTAMPTZ NOT NULL,
    -- The last refresh, or the sign-in.
    last_used_at TIMESTAMPTZ NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id, id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
