# syntax=docker/dockerfile:1
# Two stages: a compiler builds wheels of the server and of everything it needs, the image that runs gets
# the wheels alone. Build: docker build -t ghcr.io/hanzoai/kv .
ARG PYTHON=3-slim

FROM python:${PYTHON} AS builder
# The compiler comes from the base image's own release; a pinned version would vanish with its next update.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:${PYTHON}

LABEL maintainer="dev@hanzo.ai"
LABEL org.opencontainers.image.source="https://github.com/hanzoai/kv"
LABEL org.opencontainers.image.description="Hanzo KV - High-performance key-value store"
LABEL org.opencontainers.image.vendor="Hanzo AI"
LABEL org.opencontainers.image.licenses="BSD-3-Clause"

# The user has the numbers of the Valkey image's user, so that its volumes can be taken over as they are.
# Each kv-program is also found under its valkey- and its redis- name, for commands and scripts that were written for
# those images; kv-server is their entry point, too, since it passes over the server's name and runs other programs.
RUN --mount=type=bind,from=builder,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index /wheels/*.whl \
 && for program in /usr/local/bin/kv-*; do \
        for family in valkey redis; do ln -s "$program" "/usr/local/bin/$family-${program##*/kv-}"; done; \
    done \
 && ln -s kv-server /usr/local/bin/docker-entrypoint.sh \
 && groupadd --system --gid 1000 kv \
 && useradd --system --uid 999 --gid kv --home-dir /data --no-create-home --shell /usr/sbin/nologin kv \
 && install -d -o kv -g kv /data

# A container's ports are closed until somebody publishes them, so the images of Valkey and Redis have no protected mode;
# compose files whose command begins with redis-server or valkey-server count on that. What they state counts more.
ENV KV_DEFAULT_FLAGS="--protected-mode no"

WORKDIR /data
USER 999:1000
VOLUME /data
EXPOSE 6379

# What the probe sees: this container's environment, not the server's arguments. Where the server is started
# with --requirepass, the same password has to be in REDIS_PASSWORD (or KVCLI_AUTH, which kv reads by itself);
# without it the server answers NOAUTH and the container is unhealthy, as it should be: nobody else could tell
# a wrong password from a right one either. An empty REDIS_PASSWORD counts as none. A server still loading
# its data answers LOADING, which is no PONG: give a large data set a longer --health-start-period.
# The pipe needs a shell, hence no JSON form.
# hadolint ignore=DL3025
HEALTHCHECK --interval=15s --timeout=3s --start-period=10s --retries=3 \
    CMD if test -n "$REDIS_PASSWORD"; then export KVCLI_AUTH="$REDIS_PASSWORD"; fi; kv ping | grep -q PONG || exit 1

ENTRYPOINT ["kv-server"]
CMD ["--bind", "0.0.0.0", "--dir", "/data", \
     "--maxmemory-policy", "allkeys-lru", "--protected-mode", "no"]
