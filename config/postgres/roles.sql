-- One role for each module: it owns its schema and sees no other. For a shop whose modules share one database.
--
-- Run by a superuser in the shop's own, still empty database, before the first `bodega migrate`; running it again changes
-- nothing:
--
--   psql --dbname bodega --file roles.sql
--
-- The roles have no password yet: `ALTER ROLE bodega_user PASSWORD '...'` and so on, or passwords.sh beside this file. Each
-- module then gets an address of its own: [database.user] url = "postgres://bodega_user:...@host/bodega" and so on.

DO $$
DECLARE
    part record;
BEGIN
    -- By default everybody may connect to every database, and make temporary tables there.
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    FOR part IN
        SELECT * FROM (VALUES
            ('bodega_user', 'users'),
            ('bodega_product', 'products'),
            ('bodega_cart', 'carts'),
            ('bodega_order', 'orders'),
            -- What the payment sandbox pretends to know; empty where that is off.
            ('bodega_order', 'sandbox')
        ) AS parts (role, schema)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = part.role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', part.role);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), part.role);
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', part.schema, part.role);
    END LOOP;
END
$$;
