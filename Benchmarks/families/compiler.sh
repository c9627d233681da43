# shellcheck shell=bash disable=SC2154,SC2034
# What `castor cc` makes: what -fcastor-order=shared costs, and programs of others, which `make packages` builds.

# Native is always the program that castor had no part in.
order_round() {
    local way side sum='' port
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
    local row
    [[ $way == plain ]] || { sample "$1-$way" recorded "$2"; return; }
    for row in castor shared shared-dormant; do sample "$1-$row" native "$2" || return; done
}

# load_server PORT REQUESTS: kvload's output is in load.out; then the server is ended.
load_server() {
    limited "$samples/kvload" -p "$1" -n "$2" -d "$limit_seconds" >"$work/load.out" || fail "kvload failed" || return
    stop_server
}

# --- Packages

# Without them these are left out: they are no part of a build.
built() { [[ -x $packages/$1 ]] || fail "$benchmark is left out: 'make packages' builds it" || return; }

redis_built_wants() { built redis/src/redis-server && redis_wants; }
redis_built_round() {
    local redis_server=$packages/redis/src/redis-server
    row=redis-built server_round redis_start redis_load
}

memcached_program=$packages/memcached/memcached
memcached_start() {
    port=$(free_port)
    start_server "port $port" "${prefix[@]}" "$memcached_program" -l 127.0.0.1 -p "$port" -t 2 -u "$(id -un)"
}
memcached_wants() { built memcached/memcached; }
memcached_round() { row=memcached server_round memcached_start kvload_all; }

# memcached's sources by plain clang and by castor cc with the same clang: compile time, size, and what the one costs
# that castor does not record.
compile_wants() { built memcached/memcached && need clang-16; }
compile_round() {
    local side compiler port memcached_program TIMEFORMAT='%3U %3S'
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
        memcached_program=$work/$side/memcached
        memcached_start && load_server "$port" "$kv_requests" || return
        sample dormant "$side" "$(value_of ops_per_second "$work/load.out")" || return
    done
}
