# syntax=docker/dockerfile:1
# Two stages: a builder compiles the server and puts together a root file system that holds it, the Python below it and a
# busybox; the image that runs is that file system and nothing else. Build: docker build -t ghcr.io/hanzoai/kv .
ARG PYTHON=3.13-slim

FROM python:${PYTHON} AS builder
# They come from the base image's own release; a pinned version would vanish with its next update.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils busybox-static gcc libc6-dev tzdata \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir . \
 && python deploy/image/assemble.py /rootfs \
 && mkdir /volume

FROM scratch

LABEL maintainer="dev@hanzo.ai"
LABEL org.opencontainers.image.source="https://github.com/hanzoai/kv"
LABEL org.opencontainers.image.description="Hanzo KV - High-performance key-value store"
LABEL org.opencontainers.image.vendor="Hanzo AI"
LABEL org.opencontainers.image.licenses="BSD-3-Clause"

# The user has the numbers of the Valkey image's user, so that its volumes can be taken over as they are.
COPY --from=builder /rootfs /
COPY --from=builder --chown=999:1000 /volume /data

# KV_DEFAULT_FLAGS: a container's ports are closed until somebody publishes them, so the images of Valkey and Redis have no
# protected mode; compose files whose command begins with redis-server or valkey-server count on that. What they state
# counts more. KV_REQUIREPASS_FROM: the variables that bring a password (kv/passwords.py). HOME is no folder of the volume,
# which kv-cli's history would land on.
ENV PATH="/usr/local/bin:/usr/bin:/bin" \
    LANG="C.UTF-8" \
    HOME="/tmp" \
    KV_DEFAULT_FLAGS="--protected-mode no" \
    KV_REQUIREPASS_FROM="KV_PASSWORD VALKEY_PASSWORD REDIS_PASSWORD"

WORKDIR /data
USER 999:1000
VOLUME /data
EXPOSE 6379

# kv finds the password where the server found it, in this container's environment. Where the server is started with
# --requirepass, the same password has to be in REDIS_PASSWORD (or KVCLI_AUTH); without it the server answers NOAUTH and the
# container is unhealthy, as it should be: nobody else could tell a wrong password from a right one either. A server still
# loading its data answers LOADING, which is no PONG: give a large data set a longer --health-start-period.
# The pipe needs a shell, hence no JSON form.
# hadolint ignore=DL3025
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
    CMD kv ping | grep -q PONG || exit 1

ENTRYPOINT ["kv-server"]
CMD ["--bind", "0.0.0.0", "--dir", "/data", \
     "--maxmemory-policy", "allkeys-lru", "--protected-mode", "no"]
