# shellcheck shell=bash disable=SC2154
# Kernels (Samples/kernels) by the method of the paper's Figure 3: their time natively and recorded, the same number of
# threads and the same work each time; then the time of their replay, in both orders.

locks1_round() { row=locks1 kernel_round locks 4 1 $((4000 * kernel_scale)); }
locks4_round() { row=locks4 kernel_round locks 4 4 $((4000 * kernel_scale)); }
barriers_round() { row=barriers kernel_round barriers 4 $((100 * kernel_scale)); }
queue_round() { row=queue kernel_round queue 4 $((2000 * kernel_scale)); }
steal_round() { row=steal kernel_round steal 4 "$steal_depth"; }
nbody_round() { row=nbody kernel_round nbody 4 $((12 * kernel_scale)); }
ocean_round() { row=ocean kernel_round ocean 4 $((40 * kernel_scale)); }

# kernel_round NAME ARGUMENTS...: of $row.
kernel_round() {
    local program=$samples/kernels/$1 side partial
    shift
    for side in native recorded; do
        run_on "$side"
        timed "${prefix[@]}" "$program" "$@" >"$work/out.$side" </dev/null || fail "$program failed" || return
        sample "$row" "$side" "$(value_of seconds "$work/out.$side")" || return
    done
    describe_log || return
    sample "$row-log" value "$(quotient "$log_bytes" "$(value_of met "$work/out.recorded")")" || return
    sample_replay "$row-replay" "$seconds" "$work/out.recorded" || return
    partial=$seconds
    if replay_log total "$work/out.recorded"; then
        sample "$row-orders" partial "$partial" && sample "$row-orders" total "$seconds"
    else
        row_failed "$row-orders"
    fi
}

# --- The agent with many threads, and beside one that gives it all it can

# idlers BUSY IDLE ROUNDS: recorded; sets events (locks of the busy ones) and seconds (of the whole recording).
idlers() {
    run_on recorded
    timed "${prefix[@]}" "$samples/kernels/idlers" "$@" >"$work/load.out" </dev/null || fail "idlers failed" || return
    events=$(value_of met "$work/load.out")
}

threads_round() {
    local few
    idlers 4 0 "$idlers_rounds" || return
    few=$(value_of seconds "$work/load.out")
    idlers 4 996 "$idlers_rounds" || return
    sample threads value "$(quotient "$few" "$(value_of seconds "$work/load.out")")"
}

end_to_end_round() {
    idlers 1 0 $((4 * idlers_rounds)) && sample end-to-end value "$(quotient "$(quotient "$events" "$seconds")" 1000000)"
}
