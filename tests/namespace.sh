#!/bin/bash
# Runs a command in its own mount and network namespaces with a private copy of /etc and empty homes, so that tests may add
# users and PAM services, and take any port, without touching the machine. Needs root.
set -eu
if [ "${1:-}" = --inside ]; then
    shift
    ip link set lo up
    private=$(mktemp -d /tmp/aott-etc.XXXXXX)
    mount -t tmpfs -o mode=755 tmpfs "$private"
    # A file that somebody takes away meanwhile, such as a lock of useradd, is an error of cp; the next time it is not there.
    for try in 1 2 3 4 5; do
        ! log=$(cp -a /etc/. "$private" 2>&1) || break
        [ "$try" != 5 ] || { echo "$log" >&2; exit 1; }
        sleep 1
    done
    # Locks that were held at that moment are nobody's in here.
    rm -f "$private"/*.lock "$private"/.pwd.lock
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
