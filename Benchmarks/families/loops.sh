# shellcheck shell=bash disable=SC2154,SC2034
# Guests that do one thing again and again, and print what one of them took; the agent and the order alone.

# loop_round COMMAND...: "ROW=NAME" pairs are in loop_values.
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

# And against what is left when nothing but the counter and a line are written with each lock.
mutex_round() {
    local recorded
    loop_values='mutex=ns_per_op'
    loop_round "$guests/mutexloop" 1 "$loop_seconds" || return
    recorded=$(value_of ns_per_op "$work/loop.out")
    run_on native
    limited "$guests/mutexloop" 1 "$loop_seconds" line >"$work/loop.out" </dev/null || fail "mutexloop failed" || return
    sample mutex-limit native "$(value_of ns_per_op "$work/loop.out")" && sample mutex-limit recorded "$recorded"
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
    limited "$tools/castor-drain" "$drain_seconds" >"$work/drain.out" || fail "castor-drain failed" || return
    for row in one-mutex mutexes additions loads clock; do
        sample "drain-$row" value "$(value_of "$row" "$work/drain.out")" || return
    done
}

# Designs of ordering side by side, recorded and replayed; report.py makes tables and plots of their own of it.
orders_round() {
    limited "$tools/castor-orders" "$orders_seconds" 1,2,4 >"$work/orders.$round" || fail "castor-orders failed"
}

turns_round() {
    limited "$tools/castor-orders" replay "$turns_events" 1,2,4 >"$work/turns.$round" || fail "castor-orders failed"
}
