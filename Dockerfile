# The store in one image. It has the PostgreSQL server's programs, so that a shop without a `database.url` runs too,
# with its data in the volume; with a `database.url` they are not used.

FROM rust:1-bookworm AS build
WORKDIR /build
# Migrations and the default settings are compiled in, so they are part of the source.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package bodega --bin bodega \
    && cp target/release/bodega /usr/local/bin/bodega

FROM debian:bookworm-slim
# Debian would make and start a cluster of its own. PostgreSQL's initdb needs the user to have a name.
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 bodega \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/bodega --no-create-home --shell /usr/sbin/nologin bodega \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/bodega
COPY --from=build /usr/local/bin/bodega /usr/local/bin/bodega

# Inside a container the loopback reaches nobody: what may reach these ports is up to the container's network.
ENV BODEGA__DATA__DIR=/var/lib/bodega \
    BODEGA__SERVER__INTERNAL=0.0.0.0:8081 \
    BODEGA__SERVER__MANAGEMENT=0.0.0.0:8082
USER 10001:10001
VOLUME /var/lib/bodega
EXPOSE 8080 8081 8082
ENTRYPOINT ["bodega", "serve"]
