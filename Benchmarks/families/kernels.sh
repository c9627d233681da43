# shellcheck shell=bash disable=SC2154
# Kernels (Samples/kernels) by the method of the paper's Figure 3: their time natively and recorded, the same number of
# threads and the same work each time; then the time of their replay, in both orders.

# Row, program and arguments; the last is filled in by its size: a quick run does a fortieth of it.
kernels='
locks1 locks 4 1 400000
locks4 locks 4 4 400000
barriers barriers 4 10000
queue queue 4 200000
steal steal 4 17
nbody nbody 4 1200
ocean ocean 4 4000'

kernels_round() {
    local row words
    while read -r row words; do
        [[ -n $row ]] || continue
        # shellcheck disable=SC2086 # words
        kernel_round $(kernel_size $words) || fail "kernel $row" || return
    done <<<"$kernels"
}

# The depth of a tree says its size by powers of two.
kernel_size() {
    local last=${*: -1}
    if [[ -n $quick && $1 == steal ]]; then last=$((last - 5)); elif [[ -n $quick ]]; then last=$((last / 40)); fi
    echo "${@:1:$#-1}" "$last"
}

kernel_round() {
    local program=$samples/kernels/$1 side order replayed=()
    shift
    for side in native recorded; do
        run_on "$side"
        timed "${prefix[@]}" "$program" "$@" >"$work/kernel.$side" </dev/null || fail "$program failed" || return
        sample "$row" "$side" "$(value_of seconds "$work/kernel.$side")" || return
    done
    sample "$row-replay" recorded "$seconds" && describe_log || return
    sample "$row-log" value "$(quotient "$log_bytes" "$(value_of met "$work/kernel.recorded")")" || return
    for order in partial total; do
        replay_log "$order" || return
        cmp "$work/kernel.recorded" "$work/replay.out" || fail "its $order replay printed something else" || return
        replayed+=("$seconds")
    done
    sample "$row-replay" replayed "${replayed[0]}" || return
    sample "$row-orders" partial "${replayed[0]}" && sample "$row-orders" total "${replayed[1]}"
}

# --- The agent with many threads, and beside one that gives it all it can

# idlers BUSY IDLE ROUNDS: recorded; sets events (locks of the busy ones) and seconds (of the whole recording).
idlers() {
    run_on recorded
    timed "${prefix[@]}" "$samples/kernels/idlers" "$@" >"$work/kernel.out" </dev/null || fail "idlers failed" || return
    events=$(value_of met "$work/kernel.out")
}

threads_round() {
    local few
    idlers 4 0 "$idlers_rounds" || return
    few=$(value_of seconds "$work/kernel.out")
    idlers 4 996 "$idlers_rounds" || return
    sample threads-many value "$(quotient "$few" "$(value_of seconds "$work/kernel.out")")"
}

end_to_end_round() {
    idlers 1 0 $((4 * idlers_rounds)) && sample end-to-end value "$(quotient "$(quotient "$events" "$seconds")" 1000000)"
}
