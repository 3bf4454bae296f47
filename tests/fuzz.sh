#!/bin/bash
# fuzz.sh SECONDS: what each kind of command allocates, the pure functions (a tenth of the time), then conversations in process on every
# processor, then the real server over sockets (a quarter). Ends with the counts that tests/run.sh adds up.
set -u
cd "$(dirname "$0")"
seconds=$1
seed=${SEED:-$RANDOM}
out=$(realpath ../out)
fuzz=$out/fuzz/bin/fuzz
jobs=$(nproc)
good=0 bad=0

echo "== tests/Fuzz"
ended() { # ended STATUS WHAT
    if [ "$1" = 0 ]; then good=$((good + 1)); else bad=$((bad + 1)) && echo "FINDING: $2 ended with status $1"; fi
}

nice ./namespace.sh "$fuzz" --allocations "$([ "${AOTFTPD_LONG:-}" = 1 ] && echo 10000 || echo 200)"
ended $? "the count of allocations"

nice "$fuzz" --functions "$(awk "BEGIN { print $seconds / 10 }")" --seed "$seed"
ended $? "the fuzzer of functions"

running=()
for ((i = 0; i < jobs; i++)); do
    nice ./namespace.sh "$fuzz" --seconds "$seconds" --seed $((seed + i)) --corpus "$PWD/Fuzz/corpus" &
    running+=($!)
done
for pid in "${running[@]}"; do
    wait "$pid"
    ended $? "a fuzzer of conversations"
done

nice ./namespace.sh python3 Fuzz/socket_fuzz.py --binary "$AOTFTPD" --fuzz "$fuzz" --corpus "$PWD/Fuzz/corpus" --seconds "$(awk "BEGIN { print $seconds / 4 + 3 }")" --seed "$seed"
ended $? "the fuzzer over sockets"

printf '  succeeded: %d\n  failed: %d\n' "$good" "$bad"
[ "$bad" = 0 ]
