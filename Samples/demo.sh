#!/bin/bash
# The demo: a server is recorded under load until its planted bug brings it down, and the crash is replayed, twice under
# gdb. Its exit status is 0 only when both backtraces are equal, and equal to that of the recorded crash's core file
# where the machine leaves one.
#
# `make demo` builds what it needs and starts it. CASTOR, SAMPLES and DEMO name the tool, the directory of the built
# samples and the directory of the results. It ends only processes that it started, by process id.
set -u
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
castor=${CASTOR:-$top/.build/release/castor}
samples=${SAMPLES:-$top/.build/artifacts/samples}
demo=${DEMO:-$top/.build/artifacts/demo}
readonly tries=4 load_seconds=60 limit_seconds=600 # limit of every single step
readonly load=(-c 64 --keys-per-get 16) # brings the bug out in seconds; the defaults take longer

# Runs a command within the limit, in the background, so that a signal to the demo need not wait for its end.
command_pid=''
limited() {
    local status
    timeout "$limit_seconds" "$@" &
    command_pid=$!
    wait "$command_pid"
    status=$?
    command_pid=''
    return $status
}

# A server that outlives the demo is told to stop; what does not is killed.
server_pid='' server_children=''
cleanup() {
    [[ -z $command_pid ]] || kill -TERM "$command_pid" 2>/dev/null
    [[ -n $server_pid ]] || return
    kill -TERM "$server_pid" 2>/dev/null
    timeout 20 tail --pid="$server_pid" -f /dev/null || kill -KILL $server_children "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    server_pid=''
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step_number=0
step() {
    step_number=$((step_number + 1))
    printf '\n%d. %s\n' "$step_number" "$*"
}
say() { printf '   %s\n' "$*"; }
show() { sed 's/^/   | /' "$@"; }
fail() {
    printf '\ndemo: FAILED: %s\n' "$1" >&2
    exit 1
}

# --- Recording

# Starts the server recorded and waits for its readiness line. Sets server_pid, server_children, port.
start_server() {
    local line=''
    rm -rf "$demo/log" "$demo/run"
    mkdir -p "$demo/run" # the recorded working directory: only a core file can appear there
    rm -f "$demo/stdout" && mkfifo "$demo/stdout"
    # A core file of the program's memory, without the segment that it shares with the recorder (core(5)).
    (cd "$demo/run" && ulimit -c unlimited 2>/dev/null
        echo 0x31 2>/dev/null >"/proc/$BASHPID/coredump_filter"
        exec "$castor" record -o "$demo/log" -- "$samples/kvserver" -p 0) >"$demo/stdout" 2>"$demo/record.err" &
    server_pid=$!
    exec {server_output}<"$demo/stdout"
    read -r -t "$limit_seconds" -u "$server_output" line
    port=${line##*:}
    if [[ $line != "listening on "* ]]; then
        cat "$demo/record.err" >&2
        fail "the recorded server did not start"
    fi
    server_children=$(cat "/proc/$server_pid/task/$server_pid/children" 2>/dev/null)
    say "kvserver: $line"
}

# Waits for the recorder; sets server_status.
await_server() {
    limited tail --pid="$server_pid" -s 0.1 -f /dev/null || fail "the recorder does not end"
    wait "$server_pid"
    server_status=$?
    server_pid=''
    exec {server_output}<&-
}

# One try: true when the server crashed.
record_crash() {
    local seed=$1 load_status
    say "\$ castor record -o $demo/log -- kvserver -p 0 &"
    start_server
    say "\$ kvload -p $port -d $load_seconds --seed $seed ${load[*]}"
    limited "$samples/kvload" -p "$port" -d "$load_seconds" --seed "$seed" "${load[@]}" >"$demo/load" 2>&1
    load_status=$?
    show "$demo/load"
    # 3: the server is gone. Everything else leaves it running.
    [[ $load_status == 3 ]] || kill -TERM "$server_pid"
    await_server
    show "$demo/record.err"
    say "exit status $server_status"
    [[ $load_status == 3 && $server_status == 139 ]]
}

# The crash's core file: the only file in the recorded working directory. Empty where the machine keeps none there.
find_core() {
    local files=()
    shopt -s nullglob dotglob
    files=("$demo"/run/*)
    shopt -u nullglob dotglob
    core=''
    if [[ ${#files[@]} == 1 ]]; then
        mv "${files[0]}" "$demo/core"
        core=$demo/core
    fi
}

# --- Replaying

replay_alone() {
    say "\$ castor replay $demo/log"
    limited "$castor" replay "$demo/log" </dev/null >"$demo/replay" 2>&1
    local status=$?
    show "$demo/replay"
    say "exit status $status"
    [[ $status == 139 ]] || fail "the replay ended with status $status, the recording with 139"
}

# The frames of the last backtrace in gdb's output (for a core file it prints the innermost one more, at first).
frames() { awk '/^#0 / { text = "" } /^#[0-9]+ / { text = text $0 "\n" } END { printf "%s", text }' "$1"; }

replay_in_gdb() {
    local result=$1
    say "\$ castor replay -d gdb $demo/log -- -batch -ex run -ex bt -ex 'info threads'"
    limited "$castor" replay -d gdb "$demo/log" -- -nx -batch -ex run -ex bt -ex 'info threads' \
        </dev/null >"$result" 2>"$result.err"
    if ! grep -q 'received signal SIGSEGV' "$result"; then
        cat "$result" "$result.err" >&2
        fail "gdb did not reach the recorded crash"
    fi
    frames "$result" >"$result.frames"
    [[ -s $result.frames ]] || fail "gdb printed no backtrace"
}

# Function, arguments with their values, file and line of every frame. Left out are the code's addresses, and the frames
# of castor's runtime, which a replay does not show.
program_frames() {
    sed -E -e '/libCastorRuntime\.so|\/Sources\/(CTSXShim|CastorRuntime)\//d' -e 's/^(#[0-9]+) +0x[0-9a-f]+ in /\1  /' "$1"
}

compare_with_core() {
    limited gdb -q -nx -batch -ex bt "$samples/kvserver" "$core" </dev/null >"$demo/core.gdb" 2>"$demo/core.err"
    frames "$demo/core.gdb" >"$demo/core.frames"
    [[ -s $demo/core.frames ]] || fail "gdb printed no backtrace for $core"
    program_frames "$demo/core.frames" >"$demo/core.plain"
    program_frames "$demo/gdb1.frames" >"$demo/gdb1.plain"
    if ! diff "$demo/core.plain" "$demo/gdb1.plain" >"$demo/core.diff"; then
        show "$demo/core.diff"
        fail "the replayed crash's backtrace is not the recorded crash's"
    fi
    say "$(wc -l <"$demo/core.plain") frames: the same functions, lines and argument values"
    rm -f "$core"
}

# --- The demo

for file in "$castor" "$samples/kvserver" "$samples/kvload"; do
    [[ -x $file ]] || fail "$file is missing; run 'make demo'"
done
castor=$(realpath -s "$castor") samples=$(realpath -s "$samples")
command -v gdb >/dev/null || fail "gdb is missing; run 'make deps'"
unset DEBUGINFOD_URLS
mkdir -p "$demo" && demo=$(cd "$demo" && pwd) || fail "cannot make $demo"
exec {lock}>"$demo/.lock"
flock -n "$lock" || fail "another demo runs in $demo"

step "A server is recorded under load until it crashes."
say "kvserver keeps a bare pointer to an item across an unlock; when another thread evicts the item in between,"
say "it crashes. Only the order in which threads take locks decides."
crashed=false
for ((try = 1; try <= tries; try++)); do
    if record_crash "$try"; then
        crashed=true
        break
    fi
    say "No crash this time."
done
$crashed || fail "the server did not crash in $tries tries of $load_seconds s"
find_core

step "The recording is replayed: no load generator, no network, the same crash."
ulimit -c 0
replay_alone

step "The same under gdb."
replay_in_gdb "$demo/gdb1"
show "$demo/gdb1"

step "And again: the backtrace is the same, down to every address."
replay_in_gdb "$demo/gdb2"
if ! diff "$demo/gdb1.frames" "$demo/gdb2.frames" >"$demo/gdb.diff"; then
    show "$demo/gdb.diff"
    fail "two replays of one recording show different backtraces"
fi
say "$(wc -l <"$demo/gdb1.frames") frames, all equal"

step "The replayed crash is the recorded one: its backtrace against that of the core file."
if [[ -n $core ]]; then
    compare_with_core
else
    say "Skipped: this machine wrote no core file (/proc/sys/kernel/core_pattern: $(cat /proc/sys/kernel/core_pattern))."
fi

printf '\nThe demo succeeded. Look around in the crash with:\n   %s replay -d gdb %s\n' "$castor" "$demo/log"
