#!/bin/bash
# Measures what the chaos mode is for: how many requests, and how long, until kvserver's planted bug brings it down, recorded
# without and with --chaos in turn. README.md explains the numbers.
#
# BUILD     directory of the built samples/ (.build/artifacts)
# CASTOR    the tool (.build/release/castor)
# ROUNDS    pairs of runs under each load (15)
# LIMIT     seconds that a run may last; one that survives counts with what it got to (90)
# LOADS     moderate saturating (both)
#
# It ends only processes that it started, by process id. Exit status: 0 when everything ran, whatever it measured.
set -u
export LC_ALL=C.UTF-8 # decimal points
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
# shellcheck source=lib.sh
source "$here/lib.sh"

samples=$(realpath -sm "${BUILD:-$top/.build/artifacts}")/samples
castor=$(realpath -sm "${CASTOR:-$top/.build/release/castor}")
rounds=${ROUNDS:-15}
run_seconds=${LIMIT:-90}
limit_seconds=$((run_seconds + 60))
for file in "$castor" "$samples/kvserver" "$samples/kvload"; do
    [[ -x $file ]] || fail "$file is missing; 'make build samples' builds it" || exit 1
done

work=$(mktemp -d "${TMPDIR:-/tmp}/castor-chaos.XXXXXX") || exit 1
trap 'end_processes; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/run"
cd "$work/run" || exit 1
ulimit -c 0

# A store that is not full yet evicts nothing, and nothing can crash, however threads are scheduled: it is filled first, by
# writes alone, which do not meet the bug.
fill_requests=40000

# crash_run SEED OPTIONS-OF-RECORD LOAD...: sets requests, seconds and survived.
crash_run() {
    local seed=$1 options=$2 port status
    shift 2
    rm -rf "$work/log"
    # shellcheck disable=SC2086 # no option, or one
    start_server '^listening on ' "$castor" record -q $options -o "$work/log" -- "$samples/kvserver" -p 0 || return
    port=$(sed -n 's/^listening on .*://p' "$work/server.out")
    limited "$samples/kvload" -p "$port" -n "$fill_requests" -d "$run_seconds" --set-ratio 1 >"$work/fill.out" ||
        fail "the store cannot be filled" || return
    limited "$samples/kvload" -p "$port" -d "$run_seconds" --seed "$seed" "$@" >"$work/load.out"
    status=$?
    requests=$(value_of requests "$work/load.out") seconds=$(value_of seconds "$work/load.out")
    survived=''
    case $status in
    3) wait "$server_pid"; [[ $? == 139 ]] || fail "the server ended otherwise than by its bug" || return; server_pid='' ;;
    0) survived=+; local r=$requests s=$seconds; stop_server || return; requests=$r seconds=$s ;;
    *) fail "kvload ended with status $status" || return ;;
    esac
}

median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%s\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# measure NAME LOAD...
measure() {
    local name=$1 round side options
    shift
    say "$name load: kvload $*"
    rm -f "$work"/*.requests "$work"/*.seconds
    for ((round = 1; round <= rounds; round++)); do
        for side in without with; do
            options=''
            [[ $side == without ]] || options=--chaos
            crash_run "$round" "$options" "$@" || return
            printf '  round %2d %-7s %9d requests %8.2f s%s\n' "$round" "$side" "$requests" "$seconds" "${survived:+, survived}"
            echo "$requests" >>"$work/$side.requests"
            echo "$seconds" >>"$work/$side.seconds"
        done
    done
    local what a b
    for what in requests seconds; do
        a=$(median "$work/without.$what") b=$(median "$work/with.$what")
        awk -v what="$what" -v a="$a" -v b="$b" -v rounds="$rounds" \
            'BEGIN { printf "%s until the crash, medians of %d: %g without, %g with --chaos: %.1f times sooner\n", what, rounds, a, b, b > 0 ? a / b : 0 }'
    done
}

for load in ${LOADS:-moderate saturating}; do
    case $load in
    moderate) measure moderate --pause 1000 || exit 1 ;;
    saturating) measure saturating || exit 1 ;;
    *) fail "no such load: $load"; exit 64 ;;
    esac
done
