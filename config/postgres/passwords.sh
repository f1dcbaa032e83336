#!/bin/sh
# Gives each module's role the password that stands in its address under /run/secrets. PostgreSQL's image runs this once,
# after roles.sql, when it makes its database.
set -eu
for module in user product cart order; do
    password=$(sed -E 's|^[^:]+://[^:]+:([^@]+)@.*$|\1|' "/run/secrets/database_$module")
    psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
        --set=role="bodega_$module" --set=password="$password" <<'SQL'
ALTER ROLE :"role" PASSWORD :'password';
SQL
done
