# shellcheck shell=bash disable=SC2154,SC2034
# Helpers of run.sh: messages, the machine's state, processes with a time limit, samples.
# The variables castor, work, limit_seconds, benchmark and round are set by run.sh; what is set here is for it and for the
# families of benchmarks.

say() { printf '%s\n' "$*"; }
warn() { printf 'bench: warning: %s\n' "$*" >&2; }

# Says why and is false, for `… || fail TEXT || return`.
fail() {
    printf 'bench: %s\n' "$*" >&2
    return 1
}

need() {
    local program
    for program; do
        command -v "$program" >/dev/null || fail "$program is missing; 'make deps' installs what is missing" || return
    done
}

# --- The machine

load_average() { cut -d ' ' -f 1 /proc/loadavg; }

# Ticks of all cores that were spent on something, and all ticks. Stolen time counts: it is missing here.
cpu_ticks() {
    local user nice system idle iowait irq softirq steal
    read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
    busy_ticks=$((user + nice + system + irq + softirq + steal))
    all_ticks=$((busy_ticks + idle + iowait))
}

# How many cores others use, called while nothing of the benchmark runs. The load average cannot tell: it still holds
# what ran a minute ago, the benchmark before included.
cores_in_use() {
    local busy all
    cpu_ticks
    busy=$busy_ticks all=$all_ticks
    sleep 0.5
    cpu_ticks
    awk -v busy=$((busy_ticks - busy)) -v all=$((all_ticks - all)) -v cores="$(nproc --all)" \
        'BEGIN { printf "%.2f\n", all ? busy / all * cores : 0 }'
}

above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

# --- Processes

# Runs a command within the limit, in the background, so that a signal to the benchmark need not wait for its end. Without
# <&0 it would have no standard input there.
command_pid=''
limited() {
    local status
    timeout -k 20 "$limit_seconds" "$@" <&0 &
    command_pid=$!
    wait "$command_pid"
    status=$?
    command_pid=''
    return $status
}

# usage COMMAND...: the words that run a command so that its cost is in the file `usage`; take_usage sets seconds (from start
# to end) and cpu_seconds (of all its processes) from it.
usage=(python3 "$(dirname "${BASH_SOURCE[0]}")/usage.py")
take_usage() {
    seconds=$(value_of seconds "$work/usage") cpu_seconds=$(value_of cpu_seconds "$work/usage")
    [[ -n $cpu_seconds ]] || fail "what it cost is not known"
}

# As `limited`, and sets seconds and cpu_seconds.
timed() {
    local status
    rm -f "$work/usage"
    limited "${usage[@]}" "$work/usage" "$@"
    status=$?
    [[ $status != 0 ]] || take_usage || return
    return $status
}

# is_ready READY: the server's output has a line with READY in it, or, of READY "port N", somebody listens there.
is_ready() {
    case $1 in
    'port '*) awk -v port="$(printf ':%04X' "${1#port }")" \
        '$4 == "0A" && substr($2, 9) == port { found = 1 } END { exit !found }' /proc/net/tcp ;;
    *) grep -q -- "$1" "$work/server.out" ;;
    esac
}

# start_server READY COMMAND...: returns when the server is ready. No probe connects to it: the recording would hold
# that, too.
server_pid=''
start_server() {
    local ready=$1 deadline=$((SECONDS + 60))
    shift
    : >"$work/server.out"
    rm -f "$work/usage"
    "${usage[@]}" "$work/usage" "$@" >"$work/server.out" 2>"$work/server.err" </dev/null &
    server_pid=$!
    until is_ready "$ready"; do
        if ! kill -0 "$server_pid" 2>/dev/null || ((SECONDS >= deadline)); then
            cat "$work/server.err" >&2
            kill_server
            fail "the server did not start: $*"
            return
        fi
        sleep 0.01
    done
}

# All processes below one, by process id.
descendants_of() {
    local child
    # shellcheck disable=SC2013 # they are words
    for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        echo "$child"
        descendants_of "$child"
    done
}

# MiB of memory that the server's processes have, castor's included. What several of them share counts once.
memory_in_use() {
    local process
    for process in $(descendants_of "$server_pid"); do cat "/proc/$process/smaps_rollup" 2>/dev/null; done |
        awk '$1 == "Pss:" { sum += $2 } END { if (sum) printf "%.2f\n", sum / 1024 }'
}

# Seconds that the server's processes, castor's included, have been on a processor; of threads that are still there.
cpu_so_far() {
    local process
    for process in $(descendants_of "$server_pid"); do cat /proc/"$process"/task/*/schedstat 2>/dev/null; done |
        awk '{ sum += $1 } END { printf "%.6f\n", sum / 1e9 }'
}

# Ends the server in order; sets seconds, the time since its start, and cpu_seconds.
stop_server() {
    local status
    kill -TERM "$server_pid"
    # A server that does not end is killed. Waiting is left to `wait`, which is not late by the interval of a poll.
    (timeout "$limit_seconds" tail --pid="$server_pid" -f /dev/null || kill_server) >/dev/null 2>&1 &
    wait "$server_pid"
    status=$?
    server_pid=''
    if [[ $status != 0 ]]; then
        cat "$work/server.err" >&2
        fail "the server ended with status $status" || return
    fi
    take_usage
}

# With all that it started.
kill_server() {
    [[ -n $server_pid ]] || return 0
    # shellcheck disable=SC2046 # one word for each of them
    kill -KILL $(descendants_of "$server_pid") "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    server_pid=''
}

# Whatever still runs when the benchmark is interrupted. A server may end in order first.
end_processes() {
    if [[ -n $command_pid ]]; then
        kill -TERM "$command_pid" 2>/dev/null
        wait "$command_pid" 2>/dev/null
    fi
    [[ -n $server_pid ]] || return 0
    kill -TERM "$server_pid" 2>/dev/null
    timeout 20 tail --pid="$server_pid" -s 0.1 -f /dev/null
    kill_server
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# --- Samples

# sample ROW SIDE VALUE: one measured value of this round; report.py makes medians of them.
sample() {
    [[ -n $3 ]] || fail "nothing was measured for $1" || return
    printf '%s\t%s\t%s\t%s\n' "$1" "$round" "$2" "$3" >>"$work/samples/$benchmark"
}

# The value behind a name in output of lines "NAME VALUE".
value_of() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }

# replay_log ORDER [OUTPUT]: sets seconds. What it prints has to be what is in the file OUTPUT.
replay_log() {
    timed "$castor" replay -q --order "$1" "$log" </dev/null >"$work/replay.out" 2>"$work/replay.err" ||
        { tail -20 "$work/replay.err" >&2; fail "the $1 replay failed"; } || return
    [[ -z ${2:-} ]] || cmp "$2" "$work/replay.out" || fail "the $1 replay printed something else"
}

# sample_replay ROW SECONDS [OUTPUT]: the log's replay, in time against that of the recording. If it fails, that row alone fails.
sample_replay() {
    local recorded_seconds=$2
    replay_log partial "${3:-}" || { row_failed "$1"; return 0; }
    sample "$1" recorded "$recorded_seconds" && sample "$1" replayed "$seconds"
}

# The row has no figure, and the benchmark goes on.
row_failed() {
    echo "$1" >>"$work/failed"
    failed+=" $1"
}

# Sets log_bytes and log_events.
describe_log() {
    read -r log_bytes log_events < <("$castor" info --json "$log" |
        python3 -c 'import json, sys; log = json.load(sys.stdin); print(log["size"], log["events"])')
    [[ -n $log_bytes ]] || fail "castor info failed"
}

quotient() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.6f\n", a / b }'; }
