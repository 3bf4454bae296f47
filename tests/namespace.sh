#!/bin/bash
# Runs a command in its own mount and network namespaces with a private copy of /etc and empty homes, so that tests may add
# users and PAM services, and take any port, without touching the machine. Needs root.
set -eu
if [ "${1:-}" = --inside ]; then
    shift
    ip link set lo up
    private=$(mktemp -d /tmp/aott-etc.XXXXXX)
    mount -t tmpfs -o mode=755 tmpfs "$private"
    cp -a /etc/. "$private"
    mount --bind "$private" /etc
    umount "$private"
    rmdir "$private"
    mkdir -p /tmp/aott-homes
    mount -t tmpfs -o mode=755 tmpfs /tmp/aott-homes
    export AOTT_NAMESPACE=1
    exec "$@"
fi
[ "$(id -u)" = 0 ] || { echo "the system tests need root" >&2; exit 1; }
exec unshare --mount --net --propagation private bash "$0" --inside "$@"
