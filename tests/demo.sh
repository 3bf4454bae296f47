#!/bin/bash
# `make run`: a small tree below OUT/demo, a configuration in OUT/run.conf, and the server in the foreground. As root
# the server jails its workers and changes their uid; as an ordinary user it can not, and is told so.
set -eu
out=$1
demo=$out/demo
port=${PORT:-2121}

mkdir -p "$demo/pub"
printf 'Welcome to aotftpd.\nEverything below pub/ is yours to read.\n' >"$demo/README.txt"
[ -e "$demo/pub/numbers.txt" ] || seq 1 20000 >"$demo/pub/numbers.txt"
[ -e "$demo/pub/zeros.bin" ] || head -c 1048576 /dev/zero >"$demo/pub/zeros.bin"
chmod 755 "$demo" "$demo/pub"
chmod 644 "$demo/README.txt" "$demo/pub/"*

{
    echo "# Made by 'make run'; see aotftpd.conf(5)."
    echo "listen=YES"
    echo "listen_address=127.0.0.1"
    echo "listen_port=$port"
    echo "background=NO"
    echo "anonymous_enable=YES"
    echo "local_enable=NO"
    echo "anon_root=$demo"
    echo "no_anon_password=YES"
    echo "xferlog_enable=NO"
    echo "control_socket=$out/control"
    if [ "$(id -u)" != 0 ]; then
        echo "run_as_launching_user=YES"
    elif ! getent passwd ftp >/dev/null; then
        echo "ftp_username=nobody"
    fi
} >"$out/run.conf"
chmod 644 "$out/run.conf"

# Everybody on the way to the tree must be able to pass; a checkout below a closed home is served from a copy.
if [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$demo/README.txt" 2>/dev/null; then
    copy=/tmp/aotftpd-demo
    rm -rf "$copy"
    cp -r "$demo" "$copy"
    sed -i "s#^anon_root=.*#anon_root=$copy#" "$out/run.conf"
fi

echo "try: curl ftp://127.0.0.1:$port/"
exec "$out/aotftpd" "$out/run.conf"
