# Posthouse as a container. Build: docker build -t posthouse .
# Run:   docker run -p 2525:2525 -p 8025:8025 -v posthouse:/data posthouse
# The first start prints the first key; `docker exec CONTAINER posthouse keys create --name NAME` makes more.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --bin posthouse && cp target/release/posthouse /posthouse

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin posthouse \
    && install -d -o posthouse -g posthouse -m 0700 /data
COPY --from=build /posthouse /usr/local/bin/posthouse

# In a container nobody connects from loopback: listen everywhere. Keys are taken over TLS only; the certificate is
# self-signed unless [tls] names one.
ENV POSTHOUSE__DATA_DIR=/data \
    POSTHOUSE__HTTP__ADDRESS=0.0.0.0:8025 \
    POSTHOUSE__SMTP__LISTENER='[{"address":"0.0.0.0:2525","tls":"starttls","cleartext_auth":"never"}]'

USER posthouse
WORKDIR /data
VOLUME /data
EXPOSE 2525 8025
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["posthouse", "ready"]
ENTRYPOINT ["posthouse"]
CMD ["serve"]
