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
# ONLY      names of the benchmarks to run: redis pigz kvserver mutex rw clock atomics contended stall order, and of
#           programs that `make packages` builds: redis_built memcached leveldb compile (all)
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
guests=$build/guests atomics=$build/atomics samples=$build/samples packages=$build/packages
quick=${QUICK:-}
[[ $quick == 0 ]] && quick=''
limit_seconds=600 # of every single step
busy_load=1.5 busy_cores=0.3

if [[ -n $quick ]]; then
    results=$results/quick
    rounds=${ROUNDS:-2}
    redis_requests=2000 kv_requests=4000 pigz_megabytes=2 loop_seconds=0.05 drain_seconds=0.05 orders_seconds=0.02
    stall_seconds=0.1 kernel_turns=2 order_requests=2000 fill_entries=2000
else
    rounds=${ROUNDS:-5}
    redis_requests=100000 kv_requests=200000 pigz_megabytes=100 loop_seconds=1 drain_seconds=0.5 orders_seconds=0.5
    stall_seconds=3 kernel_turns=60 order_requests=100000 fill_entries=1000000
fi
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { fail "ROUNDS is to be a number from 1 on: $rounds"; exit 64; }

for file in "$castor" "$atomics"/loops/{atomicloop,contendedloop,stall} "$atomics"/order/{plain,castor,shared}/{kernel,kvserver} \
    "$guests/mutexloop" "$guests/rwloop" "$guests/clockloop" "$samples/kvserver" "$samples/kvload"; do
    [[ -x $file ]] || fail "$file is missing; 'make bench' builds it" || exit 1
done
need python3 || exit 1
benchmarks=${ONLY:-redis pigz kvserver mutex rw clock atomics contended drain orders stall order redis_built memcached leveldb compile}

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

# redis_sides SERVER ROW: one run of each side, for ROW-get and ROW-set.
redis_sides() {
    local side port
    need redis-benchmark || return
    for side in native recorded; do
        run_on "$side"
        port=$(free_port)
        start_server 'Ready to accept connections' "${prefix[@]}" "$1" --port "$port" --bind 127.0.0.1 \
            --dir "$work/run" --save '' --appendonly no || return
        limited redis-benchmark -h 127.0.0.1 -p "$port" -c 50 -n "$redis_requests" -t set,get --csv >"$work/load.out" ||
            fail "redis-benchmark failed" || return
        stop_server || return
        sample "$2-get" "$side" "$(awk -F'"' '$2 == "GET" { print $4 }' "$work/load.out")" || return
        sample "$2-set" "$side" "$(awk -F'"' '$2 == "SET" { print $4 }' "$work/load.out")" || return
    done
}

redis_round() {
    local recorded_seconds
    need redis-server || return
    redis_sides redis-server redis || return
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

# load_server PORT REQUESTS: kvload's output is in load.out; then the server is ended.
load_server() {
    limited "$samples/kvload" -p "$1" -n "$2" -d "$limit_seconds" >"$work/load.out" || fail "kvload failed" || return
    stop_server
}

kvserver_round() {
    local side
    for side in native recorded; do
        run_on "$side"
        start_server '^listening on ' "${prefix[@]}" "$samples/kvserver" -S -p 0 || return
        load_server "$(sed -n 's/^listening on .*://p' "$work/server.out")" "$kv_requests" || return
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

contended_round() {
    loop_values='contended-add=ns_per_add contended-load=ns_per_load contended-store=ns_per_store
        contended-volatile-load=ns_per_volatile_load contended-volatile-store=ns_per_volatile_store'
    loop_round "$atomics/loops/contendedloop" "$loop_seconds"
}

stall_round() {
    loop_values='stall=longest_us stall-thousandth=one_in_a_thousand_ns'
    loop_round "$atomics/loops/stall" "$stall_seconds"
}

# Not a recording: the agent's part alone.
drain_round() {
    local row
    limited "$(dirname "$castor")/castor-drain" "$drain_seconds" >"$work/drain.out" || fail "castor-drain failed" || return
    for row in one-mutex mutexes additions loads clock; do
        sample "drain-$row" value "$(value_of "$row" "$work/drain.out")" || return
    done
}

# Designs of ordering side by side; report.py makes a table and a plot of their own of it.
orders_round() {
    limited "$(dirname "$castor")/castor-orders" "$orders_seconds" 1,2,4 >"$work/orders.$round" || fail "castor-orders failed"
}

# What -fcastor-order=shared costs. Native is always the program that castor had no part in.
order_round() {
    local way side sum='' row
    for way in plain castor shared shared-dormant; do
        side=native
        [[ $way == castor || $way == shared ]] && side=recorded
        run_on "$side"
        limited "${prefix[@]}" "$atomics/order/${way%-dormant}/kernel" "$kernel_turns" >"$work/kernel.out" ||
            fail "kernel failed" || return
        sum=${sum:-$(value_of sum "$work/kernel.out")}
        [[ $sum == "$(value_of sum "$work/kernel.out")" ]] || fail "the kernel computes something else" || return
        order_sample kernel "$(value_of seconds "$work/kernel.out")" || return
        run_on "$side"
        start_server '^listening on ' "${prefix[@]}" "$atomics/order/${way%-dormant}/kvserver" -S -p 0 || return
        load_server "$(sed -n 's/^listening on .*://p' "$work/server.out")" "$order_requests" || return
        order_sample kvserver "$(value_of ops_per_second "$work/load.out")" || return
    done
}

# order_sample PROGRAM VALUE: of what is built plainly, it is the native side of every row.
order_sample() {
    [[ $way == plain ]] || { sample "$1-$way" recorded "$2"; return; }
    for row in castor shared shared-dormant; do sample "$1-$row" native "$2" || return; done
}

# --- Programs of others, which `make packages` builds with castor cc

# Without them these are left out: they are no part of a build.
built() { [[ -x $packages/$1 ]] || fail "$benchmark is left out: 'make packages' builds it" || return; }

redis_built_wants() { built redis/src/redis-server; }
redis_built_round() { redis_sides "$packages/redis/src/redis-server" redis-built; }

# memcached_once SERVER ROW SIDE: four threads, as it comes.
memcached_once() {
    local port
    port=$(free_port)
    start_server "port $port" "${prefix[@]}" "$1" -l 127.0.0.1 -p "$port" -t 4 -u "$(id -un)" || return
    load_server "$port" "$kv_requests" || return
    sample "$2" "$3" "$(value_of ops_per_second "$work/load.out")"
}

memcached_wants() { built memcached/memcached; }
memcached_round() {
    local side
    for side in native recorded; do
        run_on "$side"
        memcached_once "$packages/memcached/memcached" memcached "$side" || return
    done
}

leveldb_wants() { built leveldb/build/db_bench; }
leveldb_round() {
    local side
    for side in native recorded; do
        run_on "$side"
        limited "${prefix[@]}" "$packages/leveldb/build/db_bench" --benchmarks=fillrandom --num="$fill_entries" \
            --db="$work/db" >"$work/load.out" 2>&1 </dev/null || fail "db_bench failed" || return
        rm -rf "$work/db"
        sample fillrandom "$side" "$(awk '$1 == "fillrandom" { print $3 }' "$work/load.out")" || return
    done
}

# memcached's sources by plain clang and by castor cc with the same clang: compile time, size, and what the one costs
# that castor does not record.
compile_wants() { built memcached/memcached && need clang-16; }
compile_round() {
    local side compiler TIMEFORMAT='%3U %3S'
    for side in native recorded; do
        compiler=clang-16
        [[ $side == native ]] || compiler="$castor cc --castor-compiler=clang-16"
        if [[ ! -d $work/$side ]]; then
            cp -a "$packages/memcached" "$work/$side" || return
            (cd "$work/$side" && CC=$compiler ./configure --disable-docs) >"$work/configure.log" 2>&1 ||
                fail "memcached cannot be configured" || return
        fi
        (cd "$work/$side" && make clean) >/dev/null 2>&1
        { time limited make -C "$work/$side" memcached >"$work/make.log" 2>&1; } 2>"$work/make.time" ||
            fail "memcached does not build" || return
        sample compile-time "$side" "$(awk '{ print $1 + $2 }' "$work/make.time")" || return
        sample compile-size "$side" "$(size -A "$work/$side/memcached" |
            awk '$1 ~ /^\.(text|data|rodata|eh_frame|plt)/ { sum += $2 } END { print sum / 1024 }')" || return
    done
    run_on native
    for side in native recorded; do
        memcached_once "$work/$side/memcached" dormant "$side" || return
    done
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
    if declare -F "${benchmark}_wants" >/dev/null && ! "${benchmark}_wants"; then return; fi
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
    rm -rf "$work/log" "$work/data" "$work"/pigz.* "$work/native" "$work/recorded" "$work/db"
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
