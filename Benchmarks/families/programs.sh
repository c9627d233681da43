# shellcheck shell=bash disable=SC2154,SC2034
# Programs that run from start to end: their time, that of their processors, their logs, their replay.

# program_round COMMAND...: of $row; standard input comes from the file `input`. What it prints must be the same.
program_round() {
    local side
    for side in native recorded; do
        run_on "$side"
        timed "${prefix[@]}" "$@" >"$work/out.$side" 2>"$work/err.$side" <"${input:-/dev/null}" ||
            { tail -5 "$work/err.$side" >&2; fail "$1 failed"; } || return
        sample "$row" "$side" "$seconds" && sample "$row-cpu" "$side" "$cpu_seconds" || return
    done
    [[ -s $work/out.native ]] || fail "$1 printed nothing" || return
    cmp "$work/out.native" "$work/out.recorded" || fail "$1 printed something else when recorded" || return
    program_log && sample_replay "$row-replay" "$seconds" "$work/out.recorded"
}

program_log() {
    describe_log && sample "$row-log-event" value "$(quotient "$log_bytes" "$log_events")"
}

make_data() { [[ -e $work/data ]] || python3 "$here/mixed_data.py" "$1" >"$work/data"; }

pigz_wants() { need pigz; }
pigz_round() {
    make_data "$pigz_megabytes" && row=pigz program_round pigz -p 4 -c "$work/data" || return
    sample pigz-log-input value "$(quotient "$log_bytes" "$(stat -c %s "$work/data")")"
}

pbzip2_wants() { need pbzip2; }
pbzip2_round() { make_data "$pbzip2_megabytes" && row=pbzip2 program_round pbzip2 -p2 -c "$work/data"; }

sqlite_wants() { need sqlite3; }
sqlite_round() {
    sed "s/ROWS/$sqlite_rows/g" "$here/sqlite.sql" >"$work/data"
    input=$work/data row=sqlite program_round sqlite3 work.db
}

# LevelDB's own benchmark, built by castor cc; its time is what it says itself.
leveldb_wants() { built leveldb/build/db_bench; }
leveldb_round() {
    local side
    for side in native recorded; do
        run_on "$side"
        timed "${prefix[@]}" "$packages/leveldb/build/db_bench" --benchmarks=fillrandom --num="$fill_entries" \
            --db=db >"$work/load.out" 2>&1 </dev/null || fail "db_bench failed" || return
        sample fillrandom "$side" "$(awk '$1 == "fillrandom" { print $3 }' "$work/load.out")" || return
        sample fillrandom-cpu "$side" "$cpu_seconds" || return
    done
    row=fillrandom program_log && sample_replay fillrandom-replay "$seconds"
}
