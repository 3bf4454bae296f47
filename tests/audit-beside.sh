#!/bin/bash
# aotftpd and vsftpd with the same configuration on the same machine, each with one client that waits and one that is logged
# in, and what tests/audit.py sees of both. Run by `make audit` in namespaces of its own.
set -eu
out=$1
here=$(cd "$(dirname "$0")" && pwd)
[ "${AOTT_NAMESPACE:-}" = 1 ] || { echo "start this by make audit: it needs accounts of its own" >&2; exit 1; }
for directory in "$out"/peers/vsftpd/usr/lib/*-linux-gnu; do export LD_LIBRARY_PATH=$directory; done
work=$(mktemp -d /tmp/aott-audit.XXXXXX)
pids=()
finish() { kill "${pids[@]}" 2>/dev/null || :; wait; rm -rf "$work"; }
trap finish EXIT
mkdir "$work/root" "$work/empty"
chmod 755 "$work" "$work/root" "$work/empty"
for user in aott-anon aott-nopriv aott-service; do useradd -M -d "$work/root" -s /usr/sbin/nologin $user; done
settings() {
    printf '%s\n' listen=YES listen_address=127.0.0.1 listen_port="$1" background=NO anonymous_enable=YES anon_root="$work/root" \
        ftp_username=aott-anon nopriv_user=aott-nopriv secure_chroot_dir="$work/empty" xferlog_enable=NO setproctitle_enable=YES
}
settings 2121 >"$work/vsftpd.conf"
{ settings 2122; printf '%s\n' service_user=aott-service control_socket="$work/control"; } >"$work/aotftpd.conf"
"$out/peers/vsftpd/usr/sbin/vsftpd" "$work/vsftpd.conf" & pids+=($!)
"$out/aotftpd" "$work/aotftpd.conf" & pids+=($!)
client() {
    python3 - "$1" <<'PYTHON' &
import socket, sys, time
for deadline in range(100):
    try:
        waiting = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
waiting.recv(200)
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for line in (b"", b"USER ftp\r\n", b"PASS a@b\r\n"):
    c.sendall(line)
    c.recv(200)
time.sleep(60)
PYTHON
    pids+=($!)
}
client 2121
client 2122
sleep 3
echo "== vsftpd: what there is"
"$here/audit.py" --kind vsftpd --pid "${pids[0]}"
echo
echo "== aotftpd: what there is, by tests/audit.py"
"$here/audit.py" --kind anonymous --pid "${pids[1]}" --user service=aott-service --user nopriv=aott-nopriv --user anonymous=aott-anon --jail "$work/root"
echo
echo "== aotftpd: what there is, by aotftpd --check --live"
"$out/aotftpd" --check --live "$work/aotftpd.conf"
