# shellcheck shell=bash disable=SC2154,SC2034
# What a hot standby costs and how long a take-over is felt: a client, a primary and a replica, as network namespaces of this machine on
# one bridge, with addresses that exist there alone. Every run has new ones, so that no gate of the run before is left. They need root.

standby_stem=castor-bench-$$ standby_address=10.213.0.10 standby_port=7000
standby_silence=100 # ms after which a primary is suspected, in the rows of take-over; elsewhere nobody is to take over
standby_made='' # whether there are namespaces
replica_pid=''

if [[ -n $quick ]]; then
    standby_calm_requests=500 standby_requests=4000 standby_bytes=5000000 standby_answers=3000
else
    standby_calm_requests=20000 standby_requests=60000 standby_bytes=100000000 standby_answers=15000
fi

standby_wants() {
    need ip redis-server redis-benchmark || return
    [[ $(id -u) == 0 ]] && ip netns add "$standby_stem-try" 2>/dev/null && ip netns del "$standby_stem-try" ||
        fail "$benchmark is left out: network namespaces need root"
}
standby_bulk_wants() { standby_wants; }
standby_gap_wants() { standby_wants; }

# --- The machines

# Words before a command that is to run there.
on_client=(ip netns exec "$standby_stem-client")
on_primary=(ip netns exec "$standby_stem-primary")
on_replica=(ip netns exec "$standby_stem-replica")

make_hosts() {
    local host number=0 network=$standby_stem-network
    standby_made=1
    for host in client primary replica network; do ip netns add "$standby_stem-$host" || return; done
    ip -n "$network" link add bridge type bridge && ip -n "$network" link set bridge up || return
    for host in client primary replica; do
        number=$((number + 1))
        ip -n "$network" link add "to-$host" type veth peer name eth0 netns "$standby_stem-$host" &&
            ip -n "$network" link set "to-$host" master bridge up &&
            ip -n "$standby_stem-$host" addr add "10.213.0.$number/24" dev eth0 &&
            ip -n "$standby_stem-$host" link set eth0 up && ip -n "$standby_stem-$host" link set lo up || return
    done
    ip -n "$standby_stem-primary" addr add "$standby_address/24" dev eth0
}

# Castor's processes first: the death of another, while castor lives, is an event of the program's.
kill_host() {
    local pid first=() rest=()
    for pid in $(ip netns pids "$standby_stem-$1" 2>/dev/null); do
        if [[ $(readlink "/proc/$pid/exe") == */castor* ]]; then first+=("$pid"); else rest+=("$pid"); fi
    done
    kill -KILL "${first[@]}" "${rest[@]}" 2>/dev/null
}

# Ends whatever runs on the machines, and removes them.
remove_hosts() {
    local host
    [[ -n $standby_made ]] || return 0
    {
        for host in client primary replica network; do kill_host "$host"; done
        kill_server
        [[ -z $replica_pid ]] || wait "$replica_pid"
        for host in client primary replica network; do ip netns del "$standby_stem-$host"; done
    } 2>/dev/null # the shell's words about each that was killed
    replica_pid='' standby_made=''
}

# await_text FILE TEXT PROCESS: until a line of the file has the text.
await_text() {
    local deadline=$((SECONDS + 60))
    until grep -q -- "$2" "$1" 2>/dev/null; do
        if ! kill -0 "$3" 2>/dev/null || ((SECONDS >= deadline)); then
            tail -5 "$1" >&2
            fail "there is no '$2'"
            return
        fi
        sleep 0.01
    done
}

# start_on_hosts READY COMMAND...: the command on the primary's machine, natively, recorded or protected, as $side says.
start_on_hosts() {
    local ready=$1 common
    shift
    remove_hosts
    make_hosts || fail "no network namespaces" || return
    run_on "$side"
    if [[ $side == protected ]]; then
        rm -rf "$work/standby-log"
        common=(--insecure --silence "${silence:-3000}" --ip "$standby_address/24" --dev eth0)
        "${on_replica[@]}" "$castor" ft replica --listen 10.213.0.3:7070 --automatic "${common[@]}" \
            -o "$work/standby-log" >"$work/replica.out" 2>"$work/replica.err" </dev/null &
        replica_pid=$!
        prefix=("$castor" ft primary --replica 10.213.0.3:7070 "${common[@]}" -o "$log" --)
    fi
    start_server "$ready" "${on_primary[@]}" "${prefix[@]}" "$@" || return
    [[ $side != protected ]] || await_text "$work/server.err" 'protected by 1 of 1' "$server_pid"
}

# The program ends, and with it its replica.
stop_on_hosts() {
    local status
    stop_server || return
    [[ $side == protected ]] || return 0
    timeout 30 tail --pid="$replica_pid" -s 0.1 -f /dev/null || fail "the replica did not end with the program" || return
    wait "$replica_pid"
    status=$?
    replica_pid=''
    [[ $status == 0 ]] || { tail -5 "$work/replica.err" >&2; fail "the replica ended with status $status"; }
}

# Sees to it that a round that fails leaves nothing, and that nothing of it waits for long.
on_hosts() {
    local limit_seconds=120 status
    local -x CASTOR_RUNTIME_DIR=$work/standby # so that `castor ft status` shows these alone
    "$@"
    status=$?
    if [[ $status != 0 && -s $work/replica.err ]]; then tail -5 "$work/replica.err" >&2; fi
    remove_hosts
    rm -rf "$work"/{standby,standby-log,replica.out,replica.err}
    return $status
}

# --- Redis with 1 connection and with 64

standby_redis() {
    start_on_hosts 'Ready to accept connections' redis-server --port "$standby_port" --bind "$standby_address" \
        --protected-mode no --dir "$work/run" --save '' --appendonly no
}

# standby_load CONNECTIONS COUNT: so many GETs.
standby_load() {
    limited "${on_client[@]}" redis-benchmark -h "$standby_address" -p "$standby_port" -c "$1" -n "$2" -t get >"$work/load.out" ||
        fail "redis-benchmark failed" || return
    sed -i 's/.*\r//' "$work/load.out"
}

standby_samples() {
    sample "standby-get-$1" "$side" "$(redis_value GET 'throughput summary' 3)" &&
        sample "standby-p50-$1" "$side" "$(redis_latency 50)" && sample "standby-p99-$1" "$side" "$(redis_latency 99)"
}

# How far the replica is behind, as the primary sees it, ten times a second until the file `watching` is gone; the medians of bytes and
# milliseconds.
watch_lag() {
    while [[ -e $work/watching ]]; do
        timeout 10 "$castor" ft status --json && echo
        sleep 0.1
    done | python3 -c '
import json, statistics, sys
lags, decoder, text = [], json.JSONDecoder(), sys.stdin.read().strip()
while text:
    reports, end = decoder.raw_decode(text)
    lags += [peer["lag"] for report in reports if report["role"] == "primary" for peer in report["peers"]]
    text = text[end:].strip()
if lags:
    print(*(statistics.median(lag[name] for lag in lags) for name in ("bytes", "milliseconds")))'
}

# In a load of its own, for to look costs something.
standby_lag() {
    local watcher status bytes milliseconds
    : >"$work/watching"
    watch_lag >"$work/lag" &
    watcher=$!
    standby_load 64 "$standby_requests"
    status=$?
    rm -f "$work/watching"
    wait "$watcher"
    [[ $status == 0 ]] || return
    read -r bytes milliseconds <"$work/lag" || fail "castor ft status says nothing of a lag" || return
    sample standby-lag-bytes value "$(quotient "$bytes" 1024)" && sample standby-lag-time value "$milliseconds"
}

standby_sides() {
    local side
    for side in native recorded protected; do
        standby_redis && standby_load 1 "$standby_calm_requests" && standby_samples 1 &&
            standby_load 64 "$standby_requests" && standby_samples 64 || return
        [[ $side != protected ]] || standby_lag || return
        stop_on_hosts || return
    done
    describe_log && sample standby-log-request value "$(quotient "$log_bytes" $((standby_calm_requests + 2 * standby_requests)))"
}
standby_round() { on_hosts standby_sides; }

# --- One connection that transfers as much as it can, each way

standby_bulk_sides() {
    local side way
    for side in native recorded protected; do
        start_on_hosts '^ready' "$guests/bulk_server" "$standby_address" "$standby_port" 2 || return
        for way in down up; do
            limited "${on_client[@]}" python3 "$top/Tests/Guests/bulk_load.py" "$standby_address" "$standby_port" 1 "$standby_bytes" \
                "$way" >"$work/load.out" || fail "bulk_load.py failed" || return
            sample "standby-$way" "$side" "$(quotient $((standby_bytes / 1000000)) "$(value_of seconds "$work/load.out")")" || return
        done
    done
}
standby_bulk_round() { on_hosts standby_bulk_sides; }

# --- Take-over under load, as the clients see it

# standby_death HOW: the longest time without any answer on any of 50 connections.
standby_death() {
    local side=protected silence=$standby_silence client deadline=$((SECONDS + limit_seconds)) status
    standby_redis || return
    : >"$work/load.out"
    timeout -k 5 "$limit_seconds" "${on_client[@]}" python3 "$top/Tests/Guests/tcp_load.py" redis "$standby_address" "$standby_port" \
        50 "$standby_answers" >"$work/load.out" 2>"$work/load.err" </dev/null &
    client=$!
    until [[ $(tail -n 1 "$work/load.out") =~ ^[0-9]+$ ]] && (($(tail -n 1 "$work/load.out") >= standby_answers / 3)); do
        kill -0 "$client" 2>/dev/null && ((SECONDS < deadline)) || { cat "$work/load.err" >&2; fail "the load does not come on"; return; }
        sleep 0.01
    done
    case $1 in
    killed) kill_host primary ;;
    cut) ip -n "$standby_stem-network" link set to-primary down || return ;;
    esac
    wait "$client"
    status=$?
    [[ $status == 0 ]] || { cat "$work/load.err" >&2; fail "the clients did not come through the take-over ($1)"; } || return
    sample "standby-gap-$1" value "$(sed -n 's/.*at most \([0-9]*\) ms without any.*/\1/p' "$work/load.out")"
}
standby_deaths() { standby_death killed && standby_death cut; }
standby_gap_round() { on_hosts standby_deaths; }
