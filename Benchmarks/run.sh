#!/bin/bash
# Measures what recording costs: run.sh [--publish]. README.md explains the rows.
#
# Without an argument: runs every benchmark natively and recorded in turn, prints a table and leaves it, with plots, in
# Benchmarks/results. With --publish: measures nothing, puts the latest results into README.md and Benchmarks/figures.
#
# BUILD     directory of the built guests/ and samples/ (.build/artifacts)
# CASTOR    the tool (.build/release/castor)
# ROUNDS    pairs of runs of each benchmark (5)
# QUICK=1   tiny sizes: shows that everything runs, measures nothing; results go to Benchmarks/results/quick
# ONLY      names of the benchmarks to run: redis pigz kvserver mutex rw clock atomics (all)
#
# It ends only processes that it started, by process id. Exit status: 0 when every benchmark ran, whatever it measured.
set -u
export LC_ALL=C.UTF-8 # decimal points
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
# shellcheck source=lib.sh
source "$here/lib.sh"

results=$here/results
case ${1:-} in
--publish) exec python3 "$here/report.py" publish "$results" "$here/README.md" "$here/figures" ;;
'') ;;
*)
    echo "usage: run.sh [--publish]" >&2
    exit 64
    ;;
esac

build=$(realpath -sm "${BUILD:-$top/.build/artifacts}")
castor=$(realpath -sm "${CASTOR:-$top/.build/release/castor}")
guests=$build/guests atomics=$build/atomics samples=$build/samples
quick=${QUICK:-}
[[ $quick == 0 ]] && quick=''
limit_seconds=600 # of every single step
busy_load=1.5 busy_cores=0.3

if [[ -n $quick ]]; then
    results=$results/quick
    rounds=${ROUNDS:-2}
    redis_requests=2000 kv_requests=4000 pigz_megabytes=2 loop_seconds=0.05
else
    rounds=${ROUNDS:-5}
    redis_requests=100000 kv_requests=200000 pigz_megabytes=100 loop_seconds=1
fi
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { fail "ROUNDS is to be a number from 1 on: $rounds"; exit 64; }

for file in "$castor" "$atomics/loops/atomicloop" "$guests/mutexloop" "$guests/rwloop" "$guests/clockloop" "$samples/kvserver" "$samples/kvload"; do
    [[ -x $file ]] || fail "$file is missing; 'make bench' builds it" || exit 1
done
need python3 || exit 1
benchmarks=${ONLY:-redis pigz kvserver mutex rw clock atomics}

work=$(mktemp -d "${TMPDIR:-/tmp}/castor-bench.XXXXXX") || exit 1
trap 'end_processes; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir "$work/samples" "$work/run"
cd "$work/run" || exit 1 # what a program leaves in its working directory goes away with it

# --- The benchmarks: one round of each, natively and then recorded. The log is deleted before the next round, so that
# the kernel does not write it to disk while that one runs.

# run_on SIDE: sets the words that go before a command.
run_on() {
    rm -rf "$work/log"
    prefix=()
    [[ $1 == native ]] || prefix=("$castor" record -q -o "$work/log" --)
}

redis_round() {
    local side port recorded_seconds
    need redis-server redis-benchmark || return
    for side in native recorded; do
        run_on "$side"
        port=$(free_port)
        start_server 'Ready to accept connections' "${prefix[@]}" redis-server --port "$port" --bind 127.0.0.1 \
            --dir "$work/run" --save '' --appendonly no || return
        limited redis-benchmark -h 127.0.0.1 -p "$port" -c 50 -n "$redis_requests" -t set,get --csv >"$work/load.out" ||
            fail "redis-benchmark failed" || return
        stop_server || return
        sample redis-get "$side" "$(awk -F'"' '$2 == "GET" { print $4 }' "$work/load.out")" || return
        sample redis-set "$side" "$(awk -F'"' '$2 == "SET" { print $4 }' "$work/load.out")" || return
    done
    recorded_seconds=$seconds
    describe_log || return
    sample redis-log-event value "$(quotient "$log_bytes" "$log_events")" || return
    sample redis-log-request value "$(quotient "$log_bytes" $((2 * redis_requests)))" || return
    sample_replay redis-replay "$recorded_seconds"
}

pigz_round() {
    local side recorded_seconds data=$work/data
    need pigz || return
    [[ -e $data ]] || python3 "$here/mixed_data.py" "$pigz_megabytes" >"$data" || return
    for side in native recorded; do
        run_on "$side"
        timed "${prefix[@]}" pigz -p 4 -c "$data" >"$work/pigz.$side" </dev/null || fail "pigz failed" || return
        sample pigz "$side" "$seconds" || return
    done
    recorded_seconds=$seconds
    cmp "$work/pigz.native" "$work/pigz.recorded" || fail "pigz wrote something else when recorded" || return
    describe_log || return
    sample pigz-log-event value "$(quotient "$log_bytes" "$log_events")" || return
    sample pigz-log-input value "$(quotient "$log_bytes" "$(stat -c %s "$data")")" || return
    sample_replay pigz-replay "$recorded_seconds"
}

kvserver_round() {
    local side port
    for side in native recorded; do
        run_on "$side"
        start_server '^listening on ' "${prefix[@]}" "$samples/kvserver" -S -p 0 || return
        port=$(sed -n 's/^listening on .*://p' "$work/server.out")
        limited "$samples/kvload" -p "$port" -n "$kv_requests" -d "$limit_seconds" >"$work/load.out" ||
            fail "kvload failed" || return
        stop_server || return
        sample kvserver "$side" "$(value_of ops_per_second "$work/load.out")" || return
    done
}

# loop_round NAME COMMAND...: a guest that prints its own times; "ROW=NAME" pairs are in loop_values.
loop_round() {
    local side pair
    for side in native recorded; do
        run_on "$side"
        limited "${prefix[@]}" "$@" >"$work/loop.out" </dev/null || fail "$1 failed" || return
        for pair in $loop_values; do
            sample "${pair%=*}" "$side" "$(value_of "${pair#*=}" "$work/loop.out")" || return
        done
    done
}

mutex_round() {
    loop_values='mutex=ns_per_op'
    loop_round "$guests/mutexloop" 1 "$loop_seconds"
}

rw_round() {
    loop_values='read=ns_per_read write=ns_per_write'
    loop_round "$guests/rwloop" "$loop_seconds"
}

clock_round() {
    loop_values='clock=ns_per_call'
    loop_round "$guests/clockloop" "$loop_seconds"
}

atomics_round() {
    loop_values='atomic-add=ns_per_add atomic-load=ns_per_load atomic-store=ns_per_store
        volatile-load=ns_per_volatile_load volatile-store=ns_per_volatile_store'
    loop_round "$atomics/loops/atomicloop" "$loop_seconds"
}

# --- The run

# Says how busy the machine is before a benchmark runs; the report marks what ran on a busy one.
look_at_machine() {
    local load cores
    load=$(load_average)
    cores=$(cores_in_use)
    say "$benchmark: load average $load, cores in use by others $cores"
    if above "$cores" "$busy_cores"; then
        warn "the machine is busy: $cores cores are in use, load average $load; what follows is not worth much"
    elif above "$load" "$busy_load"; then
        warn "load average $load, of what ran before: the cores are idle now"
    fi
    printf '%s\t%s\t%s\n' "$benchmark" "$load" "$cores" >>"$work/conditions"
}

# measure NAME: a benchmark that fails leaves no samples; the others run all the same.
failed=''
measure() {
    benchmark=$1
    look_at_machine
    for ((round = 1; round <= rounds; round++)); do
        say "  round $round of $rounds"
        if ! "${benchmark}_round"; then
            kill_server
            rm -f "$work/samples/$benchmark"
            failed+=" $benchmark"
            break
        fi
    done
    rm -rf "$work/log" "$work/data" "$work"/pigz.*
}

for name in $benchmarks; do
    declare -F "${name}_round" >/dev/null || fail "there is no benchmark $name" || exit 64
done
for name in $benchmarks; do measure "$name"; done

mkdir -p "$results" || exit 1
{
    printf 'Machine\t%s, %s cores, Linux %s\n' "$(sed -n '/^model name/ { s/.*: *//p; q; }' /proc/cpuinfo)" \
        "$(nproc --all)" "$(uname -r)"
    version=$("$castor" --version) version=${version%% (*}
    if commit=$(git -C "$top" describe --always --dirty 2>/dev/null); then version+=" ($commit)"; fi
    printf 'Measured\t%s, %s, %d rounds%s\n' "$version" "$(date -u +%F)" "$rounds" \
        "${quick:+, QUICK: not a measurement}"
} >"$work/about"
python3 "$here/report.py" write "$work" "$results" "$busy_cores" || exit 1
say ''
cat "$results/latest.md"

say ''
# Plots of an older run beside this one's numbers would mislead.
rm -f "$results"/*.svg "$results"/*.png
if ! command -v gnuplot >/dev/null; then
    say "No plots: gnuplot is missing (package gnuplot-nox)."
elif gnuplot -e "results='$results'" "$here/plot.gnuplot"; then
    say "Results and plots: $results"
else
    fail "gnuplot failed"
    failed+=' plots'
fi
[[ -z $failed ]] || fail "failed:$failed"
