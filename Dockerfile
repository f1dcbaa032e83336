# The store as an image. Two kinds come from this file:
#
#   docker build -t bodega .                     the whole shop, with PostgreSQL's programs inside: runs without anything else
#   docker build -t bodega-cart --target service --build-arg FEATURES=cart .
#                                                one module (or `gateway`, or a mix) and nothing else: needs a `database.url`

# The manifests alone, with an empty program for each, so that what depends on nothing else is compiled once and stays a
# layer until a dependency changes.
FROM debian:bookworm-slim AS manifests
WORKDIR /source
COPY . .
RUN mkdir /manifests \
    && find . -name Cargo.toml -o -name Cargo.lock | xargs cp --parents --target-directory=/manifests \
    && cd /manifests \
    && for crate in $(find . -name Cargo.toml -printf '%h\n'); do \
         mkdir -p "$crate/src"; \
         echo '//! Empty.' > "$crate/src/lib.rs"; \
         printf '//! Empty.\nfn main() {}\n' > "$crate/src/main.rs"; \
       done

FROM rust:1-bookworm AS build
WORKDIR /build
# What is inside: any of user, product, cart, order and gateway.
ARG FEATURES=user,product,cart,order,gateway
# What a panic says names its place without them, and they are four fifths of the binary.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
COPY --from=manifests /manifests .
RUN cargo build --release --locked --package bodega --bin bodega --no-default-features --features "$FEATURES"
# Migrations and the default settings are compiled in, so they are part of the source. Cargo goes by the time of a file,
# and these are older than the empty programs.
COPY . .
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package bodega --bin bodega --no-default-features --features "$FEATURES" \
    && cp target/release/bodega /usr/local/bin/bodega

# The binary and who runs it.
FROM debian:bookworm-slim AS service
# PostgreSQL's initdb needs the user to have a name; everybody else goes by the number.
RUN groupadd --gid 10001 bodega \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/bodega --no-create-home --shell /usr/sbin/nologin bodega \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/bodega
COPY --from=build /usr/local/bin/bodega /usr/local/bin/bodega
# Inside a container the loopback reaches nobody: what may reach these ports is up to the container's network.
ENV BODEGA__DATA__DIR=/var/lib/bodega \
    BODEGA__SERVER__INTERNAL=0.0.0.0:8081 \
    BODEGA__SERVER__MANAGEMENT=0.0.0.0:8082
USER 10001:10001
# All that is ever written: the embedded database, keys, mail, images. The rest of the file system may be read-only.
VOLUME /var/lib/bodega
EXPOSE 8080 8081 8082
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["bodega", "health"]
ENTRYPOINT ["bodega"]
CMD ["serve"]

# The same with the programs for a database of its own, which are not used where there is a `database.url`.
FROM service AS store
USER root
# Debian would make and start a cluster of its own.
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
