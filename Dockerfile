# The operator as one static binary in an image without anything else, for those who have Docker. The image to ship is that of `make image`,
# which takes no daemon: reproducible, with an SBOM beside it, labelled with version and commit, linked with options that make it a tenth
# smaller, and with Mozilla's certificate authorities of a fixed package. Here they are the builder's, and paths and times are those of the
# build. What runs is the same source by the same lock file.
#
#   docker build -t cooper:0.1.0 .
#
# With a binary at hand neither a base image nor a Docker daemon is needed. CONTEXT holds two files: the binary `cooper`, static, and
# `ca-certificates.crt`, the certificate authorities to trust:
#
#   buildah bud --isolation chroot --target prebuilt -t cooper:0.1.0 -f Dockerfile CONTEXT

FROM scratch AS base
LABEL org.opencontainers.image.title="cooper" \
      org.opencontainers.image.description="A Kubernetes operator for managed object storage and IAM" \
      org.opencontainers.image.licenses="Apache-2.0"
# Group too: without it the process would run with group 0.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/cooper"]
CMD ["run", "--listen=0.0.0.0:8080"]

FROM base AS prebuilt
COPY --chmod=0644 ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chmod=0755 cooper /cooper

FROM rust:1.95-bookworm AS builder
WORKDIR /src
COPY . .
# --target is named so that the flag is not applied to macros and build scripts, which are loaded by the compiler and cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    target="$(uname -m)-unknown-linux-gnu" && \
    RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --profile image --locked --package cooper --bin cooper --target "$target" && \
    cp "target/$target/image/cooper" /cooper

FROM base
COPY --from=builder --chmod=0644 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=builder /cooper /cooper
