#!/bin/bash
# A server with a hot standby: load runs over 50 TCP connections, the primary's machine loses all its processes at once, and the load
# goes on with the replica. Three machines, as network namespaces of this one: needs root.
#
# `make demo-ft` builds what it needs and starts it. CASTOR, SAMPLES and DEMO name the tool, the directory of the built samples and the
# directory of the results. It ends only processes that it started.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
castor=${CASTOR:-$top/.build/release/castor}
samples=${SAMPLES:-$top/.build/artifacts/samples}
demo=${DEMO:-$top/.build/artifacts/demo-ft}
readonly service=10.213.0.10 port=7000 connections=50 seconds=6 # addresses that exist in the namespaces alone
readonly stem=castor-demo-$$

fail() { printf 'demo-ft: %s\n' "$*" >&2; exit 1; }
say() { printf '\n%s\n' "$*"; }
[[ $(id -u) == 0 ]] || fail "network namespaces need root"
castor=$(realpath "$castor") samples=$(realpath "$samples")
rm -rf "$demo"
mkdir -p "$demo"

on() { local host=$1; shift; ip netns exec "$stem-$host" "$@"; }
# Castor's processes first: the death of another, while castor lives, is an event of the program's.
kill_host() {
    local pid first=() rest=()
    for pid in $(ip netns pids "$stem-$1" 2>/dev/null); do
        if [[ $(readlink "/proc/$pid/exe") == */castor* ]]; then first+=("$pid"); else rest+=("$pid"); fi
    done
    kill -KILL "${first[@]}" "${rest[@]}" 2>/dev/null || true
}
cleanup() {
    for host in client primary replica network; do
        kill_host "$host"
        ip netns del "$stem-$host" 2>/dev/null || true
    done
}
trap cleanup EXIT

for host in client primary replica network; do ip netns add "$stem-$host"; done
ip -n "$stem-network" link add bridge type bridge
ip -n "$stem-network" link set bridge up
number=0
for host in client primary replica; do
    number=$((number + 1))
    ip -n "$stem-network" link add "to-$host" type veth peer name eth0 netns "$stem-$host"
    ip -n "$stem-network" link set "to-$host" master bridge up
    ip -n "$stem-$host" addr add "10.213.0.$number/24" dev eth0
    ip -n "$stem-$host" link set eth0 up
    ip -n "$stem-$host" link set lo up
done

# await FILE TEXT WHAT: until a line with the text is there.
await() {
    for _ in $(seq 300); do
        grep -q -- "$2" "$1" 2>/dev/null && return
        sleep 0.1
    done
    cat "$1" >&2
    fail "$3"
}
readonly common=(--insecure --ip "$service/24" --dev eth0)

say "== the replica, on a machine of its own"
echo "   castor ft replica --listen 10.213.0.3:7070 --automatic ${common[*]}"
on replica "$castor" ft replica --listen 10.213.0.3:7070 --automatic "${common[@]}" -o "$demo/replica-log" >"$demo/replica.txt" 2>&1 &
say "== the primary: a server of five threads"
echo "   castor ft primary --replica 10.213.0.3:7070 ${common[*]} -- kvserver -l $service -p $port -t 4 -S"
on primary "$castor" ft primary --replica 10.213.0.3:7070 "${common[@]}" -o "$demo/primary-log" -- \
    "$samples/kvserver" -l "$service" -p "$port" -t 4 -S >"$demo/primary.txt" 2>&1 &
await "$demo/primary.txt" 'protected by 1 of 1' 'the primary is not protected'
await "$demo/primary.txt" 'listening on' 'the server does not listen'
grep protected "$demo/primary.txt"

say "== $connections connections count up; every answer is checked"
on client python3 "$top/Samples/ftload/ftload.py" "$service" "$port" "$connections" "$seconds" &
load=$!
sleep $((seconds / 2))
say "== kill -KILL: every process on the primary's machine, castor and its agent among them"
kill_host primary
wait "$load" || fail "the load has failed; see $demo"
say "== what the replica says"
grep castor: "$demo/replica.txt"
