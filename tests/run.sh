#!/bin/bash
# Runs the named test projects (unit, system, clients), the fuzzers (fuzz) and the comparison with vsftpd (compare), and ends with one line for all of them.
set -u
cd "$(dirname "$0")"
log=../out/test.log
mkdir -p ../out
: >"$log"
skipped=0 broken=0

export DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

project() { # project NAME PREFIX [ARGUMENT…]
    local name=$1 prefix=$2
    shift 2
    echo "== tests/$name"
    ./restore.sh "$name/$name.csproj" ${properties:-} && dotnet build -v quiet -c Release --no-restore "$name/$name.csproj" ${properties:-} || { broken=1; return; }
    $prefix dotnet test --project "$name/$name.csproj" -c Release --no-build --no-ansi --results-directory ../out/results "$@" 2>&1 | tee -a "$log"
    # A project that died before its summary has failed, whatever it printed.
    [ "${PIPESTATUS[0]}" = 0 ] || broken=1
}

filter=()
[ -z "${FILTER:-}" ] || filter=(--filter-class "*$FILTER*")

for part in "$@"; do
    case $part in
    unit) project Unit "" "${filter[@]}" ;;
    system)
        [ -x "$AOTFTPD" ] || { echo "no server at $AOTFTPD: run make first" >&2; broken=1; continue; }
        project System ./namespace.sh "${filter[@]}"
        ;;
    clients)
        # FluentFTP is not on every package feed. The attempt is remembered for an hour: a feed that lacks it is slow to say so.
        stamp=../out/fluentftp
        if [ ! -e "$stamp" ] || [ -n "$(find "$stamp" -mmin +60)" ]; then
            if dotnet restore -v quiet Clients/Clients.csproj -p:WithFluentFtp=true >../out/fluentftp.log 2>&1; then
                echo yes >"$stamp"
            else
                echo no >"$stamp"
            fi
        fi
        if [ "$(cat "$stamp")" = yes ]; then
            properties=-p:WithFluentFtp=true project Clients ./namespace.sh "${filter[@]}"
        else
            echo "== tests/Clients: skipped: FluentFTP can not be restored from the configured feeds ($(grep -o 'NU[0-9]*: .*' ../out/fluentftp.log | head -1))"
            skipped=$((skipped + 1))
        fi
        ;;
    fuzz)
        # The short run is the same each time; the long one goes where none has been.
        [ "${AOTFTPD_LONG:-}" = 1 ] || export SEED=${SEED:-1}
        ./fuzz.sh "$([ "${AOTFTPD_LONG:-}" = 1 ] && echo 900 || echo 6)" 2>&1 | tee -a "$log"
        [ "${PIPESTATUS[0]}" = 0 ] || broken=1
        ;;
    compare)
        echo "== tests/compare"
        if python3 bench/bench.py --binary "$AOTFTPD" --out ../out/peers --fetch >../out/peers.log 2>&1; then
            ./namespace.sh python3 compare/compare.py --binary "$AOTFTPD" --vsftpd ../out/peers/vsftpd/usr/sbin/vsftpd 2>&1 | tee -a "$log"
            [ "${PIPESTATUS[0]}" = 0 ] || broken=1
        else
            echo "== tests/compare: skipped: $(tail -1 ../out/peers.log)"
            skipped=$((skipped + 1))
        fi
        ;;
    esac
done

# What failed, once more and short: whoever sees only the end of the output wants to know.
awk '
    /^FINDING/ { print }
    /^failed [^ ].*\([0-9a-z ]+\) *$/ { left = told[$0]++ ? 0 : 4 }
    left && NF && !/^  from / { print; left-- }' "$log" | cut -c1-300 | head -60

awk -v s="$skipped" -v broken="$broken" '
    /^ +succeeded:/ { p += $2 }
    /^ +failed:/    { f += $2 }
    /^ +skipped:/   { s += $2 }
    END {
        if (broken && !f) f = 1
        printf "%d passed, %d failed, %d skipped\n", p, f, s
        exit f > 0 || p == 0
    }' "$log"
