#!/bin/bash
# Installs the system packages that `make` ("build") or `make test` ("test") needs and that are missing. Quick when
# nothing is: it looks for the files before it asks a package manager.
set -eu
want=${1:-build}

missing() { # missing TEST PACKAGE-ON-DEBIAN PACKAGE-ON-FEDORA
    eval "$1" >/dev/null 2>&1 || { debian+=" $2"; fedora+=" $3"; }
}
has() { command -v "$1"; }
library() { ldconfig -p | grep -q "$1"; }
header() { [ -e "/usr/include/$1" ]; }

again() { # again TIMES COMMAND…: the network or a lock may be in the way for a moment
    local left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 10
    done
}

# Whoever upgrades a machine just then, such as unattended-upgrades, holds dpkg's lock for minutes.
packages() { log=$(apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" 2>&1); }
install() { packages install -y --no-install-recommends $debian; }
update_and_install() { packages update && install; }

debian= fedora=
missing "has clang || has gcc" gcc gcc
missing "has strip" binutils binutils
missing "header zlib.h" zlib1g-dev zlib-devel
if [ "$want" = test ]; then
    missing "has curl" curl curl
    missing "has lftp" lftp lftp
    missing "has ncftpget" ncftp ncftp
    missing "has tnftp || has ftp" tnftp ftp
    missing "has wget || has wget2" wget wget
    missing "has python3" python3 python3
    missing "has strace" strace strace
    missing "has mandoc" mandoc mandoc
    missing "has ip" iproute2 iproute
    missing "has useradd" passwd shadow-utils
    missing "has unshare" util-linux util-linux
    missing "library libpam.so.0" libpam0g pam-libs
fi
[ -n "$debian" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "These packages are missing and only root can install them: $(command -v apt-get >/dev/null && echo $debian || echo $fedora)" >&2
    exit 1
fi
if command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    echo "installing:$debian"
    # The lists have a lock of their own, for which apt-get does not wait.
    install || again 12 update_and_install || { echo "$log" >&2; exit 1; }
elif command -v dnf >/dev/null; then
    echo "installing:$fedora"
    # One package that a release lacks must not keep the others away: the tests say what they miss.
    again 2 dnf install -y -q --setopt=install_weak_deps=False $fedora ||
        for p in $fedora; do dnf install -y -q --setopt=install_weak_deps=False "$p" || echo "not available: $p" >&2; done
else
    echo "Neither apt-get nor dnf is here; please install:$debian" >&2
    exit 1
fi
