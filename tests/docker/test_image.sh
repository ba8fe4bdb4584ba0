#!/bin/bash
# Builds docker/Dockerfile and tries out what comes of it, without a Docker engine.
#
#     tests/docker/test_image.sh [BUILD]
#
# buildah builds with chroot isolation, from a base image that debootstrap makes of this machine's
# mirror of Debian 12: what is special about the machine (mirrors, proxies) goes into that base
# image, never into the Dockerfile.  check_image.py then runs the image in namespaces of its own.
# Needs root.  Works in BUILD/docker and leaves base.tar there for the next time.
set -eu
cd "$(dirname "$0")/../.."

skip() {
    echo "skipped: $*"
    exit 0
}

[ "$(id -u)" -eq 0 ] || skip "the image's test needs root"
for command in apt-get buildah debootstrap python3 unshare; do
    command -v "$command" >/dev/null || skip "the image's test needs $command"
done
# Mounts of its own, which go away with it however it ends.
if [ -z "${IMAGE_TEST_INSIDE:-}" ]; then
    unshare --mount --net true 2>/dev/null || skip "no namespaces may be made here"
    IMAGE_TEST_INSIDE=1 exec unshare --mount "$0" "$@"
fi

mkdir -p "${1:-build}/docker"
work=$(realpath "${1:-build}")/docker
base_name=docker.io/library/debian:12-slim # FROM debian:12-slim, in full
image_name=localhost/layermask:test
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' | grep -E ' bookworm(-updates|-security)? main$' | sort -u || true)
mirror=$(awk '$3 == "bookworm" { print $2; exit }' <<<"$sources")
[ -n "$mirror" ] || skip "apt has no mirror of Debian 12 here"
eval "$(apt-config shell http_proxy Acquire::http::Proxy)" # for debootstrap
export http_proxy

store() {
    buildah --root "$work/storage" --runroot "$work/run" "$@"
}

clean() {
    store rm --all >/dev/null 2>&1 || true
    umount --lazy "$work/storage/overlay" 2>/dev/null || true
    rm -rf "$work/storage" "$work/run" "$work/root"
}

# A step of the preparation, whose output is worth reading only if it fails.  In the background,
# since bash has no errexit inside a condition.
step() {
    local name=$1 start=$SECONDS
    shift
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    if ! wait $!; then
        tail -n 40 "$work/$name.log"
        echo "$name failed: $*"
        echo "0 passed, 1 failed"
        exit 1
    fi
    echo "$name: $((SECONDS - start)) s"
}

# What Docker's slim images do without.
make_slim() {
    local root=${1:?} name unneeded=(doc groff info linda lintian locale man)
    printf 'path-exclude /usr/share/%s/*\n' "${unneeded[@]}" >"$root/etc/dpkg/dpkg.cfg.d/docker"
    echo 'path-include /usr/share/doc/*/copyright' >>"$root/etc/dpkg/dpkg.cfg.d/docker"
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    for name in "${unneeded[@]:1}"; do
        rm -rf "${root:?}/usr/share/$name"
        mkdir "$root/usr/share/$name"
    done
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "${root:?}"/dev/* \
        "$root"/var/log/*.log
}

make_base() {
    local root=$work/root
    debootstrap --variant=minbase bookworm "$root" "$mirror"
    rm -f "$root/etc/apt/sources.list.d"/*
    echo "$sources" >"$root/etc/apt/sources.list"
    apt-config dump | grep -E '^Acquire::(Check|Max|Retries|ftp|http|https)' \
        >"$root/etc/apt/apt.conf.d/99machine" || true
    make_slim "$root"
    tar -C "$root" --numeric-owner -cf "$work/base.tar.new" .
    mv "$work/base.tar.new" "$work/base.tar"
}

import_base() {
    local container
    container=$(store from scratch)
    store add "$container" "$work/base.tar" /
    store config --cmd bash "$container"
    store commit --rm "$container" "$base_name"
}

build_image() {
    store build --isolation chroot --pull=never --format docker --layers=false \
        --tag "$image_name" --file docker/Dockerfile .
}

clean
trap clean EXIT
# Short names are those of Docker's own registry, as they are for Docker.
echo 'unqualified-search-registries = ["docker.io"]' >"$work/registries.conf"
export CONTAINERS_REGISTRIES_CONF=$work/registries.conf
store info >/dev/null 2>&1 || export STORAGE_DRIVER=vfs # slow, but there on every file system
[ -f "$work/base.tar" ] || step debootstrap make_base
step import import_base
step build build_image
container=$(store from --pull=never "$image_name")
store inspect --type image "$image_name" >"$work/image.json"
echo "image: $(store images --format '{{.Size}}' "$image_name")," \
    "of which the base is $(store images --format '{{.Size}}' "$base_name")"
unshare --net python3 tests/docker/check_image.py "$(store mount "$container")" "$work"
