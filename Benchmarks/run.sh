#!/bin/bash
# Measures what recording costs: run.sh [--publish]. README.md explains the rows.
#
# Without an argument: runs every benchmark natively and recorded in turn, prints tables and leaves them, with plots, in
# Benchmarks/results. With --publish: measures nothing, puts the latest results into README.md and Benchmarks/figures.
#
# BUILD     directory of the built guests/ and samples/ (.build/artifacts)
# CASTOR    the tool (.build/release/castor)
# ROUNDS    pairs of runs of each benchmark (5)
# MINUTES   after which every benchmark that is left has one round only (35)
# QUICK=1   tiny sizes: shows that everything runs, measures nothing; results go to Benchmarks/results/quick
# ONLY      names of the benchmarks to run, as in `all_benchmarks` below (all)
#
# It ends only processes that it started, by process id. Exit status: 0 when every benchmark ran and, unless it was a quick
# run, no ratio is beyond its limit in thresholds.tsv; whether an aim was reached does not matter.
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
tools=$(dirname "$castor")
guests=$build/guests atomics=$build/atomics samples=$build/samples packages=$build/packages
quick=${QUICK:-}
[[ $quick == 0 ]] && quick=''
limit_seconds=300 # of every single step
busy_load=1.5 busy_cores=0.3

if [[ -n $quick ]]; then
    results=$results/quick
    rounds=${ROUNDS:-2}
    redis_requests=2000 pipeline_requests=8000 kv_requests=4000 calm_requests=2000 web_seconds=1 pgbench_seconds=1
    pgbench_scale=1 idle_seconds=0.5 pigz_megabytes=2 pbzip2_megabytes=2 sqlite_rows=2000 fill_entries=2000
    loop_seconds=0.05 stall_seconds=0.1 drain_seconds=0.05 orders_seconds=0.02 turns_events=20000 idlers_rounds=20000
    kernel_turns=2 order_requests=2000 kernel_scale=2 steal_depth=12
else
    rounds=${ROUNDS:-5}
    redis_requests=100000 pipeline_requests=600000 kv_requests=150000 calm_requests=30000 web_seconds=3 pgbench_seconds=5
    pgbench_scale=4 idle_seconds=4 pigz_megabytes=100 pbzip2_megabytes=40 sqlite_rows=100000 fill_entries=1000000
    loop_seconds=1 stall_seconds=3 drain_seconds=0.5 orders_seconds=0.3 turns_events=150000 idlers_rounds=4000000
    kernel_turns=60 order_requests=50000 kernel_scale=100 steal_depth=17
fi
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { fail "ROUNDS is to be a number from 1 on: $rounds"; exit 64; }
deadline=$((SECONDS + ${MINUTES:-35} * 60))

for family in servers programs kernels loops compiler standby; do
    # shellcheck source=/dev/null
    source "$here/families/$family.sh"
done
all_benchmarks='redis pipeline kvserver calm nginx lighttpd postgres idle pigz pbzip2 sqlite
    locks1 locks4 barriers queue steal nbody ocean threads end_to_end mutex rw clock atomics contended drain orders turns stall order redis_built memcached leveldb compile
    standby standby_bulk standby_gap'
benchmarks=${ONLY:-$all_benchmarks}

for file in "$castor" "$tools"/castor-{drain,orders} "$atomics"/loops/{atomicloop,contendedloop,stall} \
    "$atomics"/order/{plain,castor,shared}/{kernel,kvserver} "$guests"/{mutexloop,rwloop,clockloop,bulk_server} \
    "$samples"/{kvserver,kvload,kernels/locks}; do
    [[ -x $file ]] || fail "$file is missing; 'make bench' builds it" || exit 1
done
need python3 || exit 1

work=$(mktemp -d "${TMPDIR:-/tmp}/castor-bench.XXXXXX") || exit 1
trap 'remove_hosts; end_processes; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 711 "$work" # the user of a server may look into a directory of its own
mkdir "$work/samples" "$work/run"
failed=''  # benchmarks and rows
cd "$work/run" || exit 1
log=$work/log

# run_on SIDE: sets the words that go before a command. Nothing is left of the run before: neither the log, which the kernel
# would write to disk meanwhile, nor what the program left in its working directory.
run_on() {
    rm -rf "$log" "$work/run"/*
    prefix=()
    [[ $1 == native ]] || prefix=("$castor" record -q -o "$log" --)
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
measure() {
    benchmark=$1
    if declare -F "${benchmark}_wants" >/dev/null && ! "${benchmark}_wants"; then return; fi
    look_at_machine
    for ((round = 1; round <= rounds; round++)); do
        ((round == 1 || SECONDS < deadline)) || { warn "time is up: $benchmark has $((round - 1)) rounds"; break; }
        say "  round $round of $rounds"
        if ! "${benchmark}_round"; then
            kill_server
            rm -f "$work/samples/$benchmark" "$work/$benchmark".[0-9]*
            failed+=" $benchmark"
            break
        fi
    done
    rm -rf "$log" "$work"/{data,pg,native,recorded} "$work"/out.* "$work/run"/*
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
status=$?
# A quick run's figures mean nothing.
[[ -n $quick ]] || python3 "$here/report.py" check "$results" "$here/thresholds.tsv" || status=1
exit $status
