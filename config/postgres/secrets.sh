#!/bin/sh
# Makes the secrets of compose.split.yaml in the folder `secrets`, once; it refuses to replace them. As root, because the
# keys belong to the user that the store has in its containers.
set -eu
umask 077
cd "$(dirname "$0")/../.."
mkdir secrets
cd secrets
openssl genpkey -algorithm ed25519 -out token
openssl rand -base64 32 > service
openssl rand -base64 32 > secret
openssl rand -hex 24 > postgres
for module in user product cart order; do
    password=$(openssl rand -hex 24)
    # The network between the containers is theirs alone; a database elsewhere needs TLS (feature `tls-libpq`).
    echo "postgres://bodega_$module:$password@postgres/bodega?sslmode=disable" > "database_$module"
done
# The store refuses keys that everybody can read. The addresses are read by PostgreSQL's image as well, which has users of
# its own; nobody else comes this far, as the folder is closed.
chown 10001 token service secret
chmod 0400 token service secret
chmod 0444 postgres database_*
