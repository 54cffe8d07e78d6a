#!/bin/sh
# try.sh IMAGE: whether an image that docker has is small, serves from a read-only root, becomes healthy with a password, keeps
# data over a restart, and understands commands that were made for other images. For CI, on each kind of processor.
set -eu
image=$1
largest=20000000
name=kv-try-$$
trap 'docker logs "$name" || true; docker rm --force --volumes "$name" >/dev/null' EXIT

size=$(docker save "$image" | gzip -6 | wc -c)
echo "compressed: $size bytes"
test "$size" -le "$largest"
test "$(docker run --rm "$image" id -u)" = 999
docker run --rm "$image" redis-server --version
docker run --rm "$image" valkey-server --version

docker run --detach --name "$name" --read-only --cap-drop ALL --security-opt no-new-privileges \
    --env REDIS_PASSWORD=secret --env VALKEY_EXTRA_FLAGS="--appendonly yes" --health-interval=2s "$image"
healthy() {
    for _ in $(seq 30); do
        if [ "$(docker inspect --format '{{.State.Health.Status}}' "$name")" = healthy ]; then return; fi
        sleep 1
    done
    echo "it did not become healthy" >&2
    return 1
}
healthy
test "$(docker exec "$name" kv set key value)" = OK
test "$(docker exec "$name" kv eval 'return 1' 0)" = 1
test "$(docker exec --env REDIS_PASSWORD= "$name" valkey-cli get key)" != value
docker restart "$name"
healthy
test "$(docker exec "$name" valkey-cli get key)" = value
docker stop "$name"
test "$(docker inspect --format '{{.State.ExitCode}}' "$name")" = 0
