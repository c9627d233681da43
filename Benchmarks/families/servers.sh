# shellcheck shell=bash disable=SC2154,SC2034
# Servers under load. A server has a function that starts it, which returns when it listens, and one that loads it, which
# sets `requests` and takes samples of throughput and latency for $row and $side.

# server_round START LOAD [no-replay]: of $row, also processor time and memory; and what of the log there is.
server_round() {
    local side start=$1 load=$2
    for side in native recorded; do
        run_on "$side"
        "$start" && "$load" || return
        sample "$row-memory" "$side" "$(memory_in_use)" || return
        stop_server || return
        sample "$row-cpu" "$side" "$(per_million "$cpu_seconds" "$requests")" || return
    done
    describe_log || return
    sample "$row-log-request" value "$(quotient "$log_bytes" "$requests")" || return
    [[ ${3:-} == no-replay ]] || sample_replay "$row-replay" "$seconds"
}

per_million() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.6f\n", a / b * 1e6 }'; }

# sample_latency P50 P99 P99.9, in µs.
sample_latency() {
    sample "$row-p50" "$side" "$1" && sample "$row-p99" "$side" "$2" && sample "$row-p999" "$side" "$3"
}

# kvload_with OPTIONS...: on the server at $port.
kvload_with() {
    limited "$samples/kvload" -p "$port" -d "$limit_seconds" "$@" >"$work/load.out" || fail "kvload failed" || return
    requests=$(value_of requests "$work/load.out")
    sample_latency "$(value_of latency_us_p50 "$work/load.out")" "$(value_of latency_us_p99 "$work/load.out")" \
        "$(value_of latency_us_p999 "$work/load.out")"
}
kvload_all() { kvload_with -n "$kv_requests" && sample "$row" "$side" "$(value_of ops_per_second "$work/load.out")"; }

# --- kvserver

kvserver_start() {
    start_server '^listening on ' "${prefix[@]}" "$samples/kvserver" -S -p 0 || return
    port=$(sed -n 's/^listening on .*://p' "$work/server.out")
}
kvserver_round() { row=kvserver server_round kvserver_start kvload_all; }

# Its latency when there is time left: clients that think for a millisecond.
calm_load() { kvload_with -n "$calm_requests" --pause 1000; }
calm_round() { row=calm server_round kvserver_start calm_load; }

# --- redis

redis_server=redis-server
redis_start() {
    port=$(free_port)
    start_server 'Ready to accept connections' "${prefix[@]}" "$redis_server" --port "$port" --bind 127.0.0.1 \
        --dir "$work/run" --save '' --appendonly no
}

# redis_benchmark COUNT OPTIONS...: so many requests of each kind.
redis_benchmark() {
    local count=$1 kind
    shift
    limited redis-benchmark -h 127.0.0.1 -p "$port" -c 50 -n "$count" -t set,get "$@" >"$work/load.out" ||
        fail "redis-benchmark failed" || return
    requests=$((2 * count))
    # The last of its lines that end in carriage returns stays.
    sed -i 's/.*\r//' "$work/load.out"
    for kind in GET SET; do
        sample "$row-${kind,,}" "$side" "$(redis_value "$kind" 'throughput summary' 3)" || return
    done
    sample_latency "$(redis_latency 50)" "$(redis_latency 99)" "$(redis_latency 99.9)"
}

# redis_value KIND TEXT FIELD: of the first line with TEXT in the part of KIND.
redis_value() {
    awk -v part="====== $1 ======" -v text="$2" -v field="$3" \
        'index($0, "======") { inside = index($0, part) } inside && index($0, text) { print $field; exit }' "$work/load.out"
}
# redis_latency SHARE: µs, of GET; of the first line that holds as many per cent of the requests.
redis_latency() {
    awk -v share="$1" 'index($0, "======") { inside = index($0, "====== GET ======") }
        /percentile distribution/ { lines = inside } /Cumulative/ { lines = 0 }
        lines && $1 + 0 >= share { printf "%.0f\n", $3 * 1000; exit }' "$work/load.out"
}

redis_load() { redis_benchmark "$redis_requests"; }
redis_wants() { need redis-server redis-benchmark; }
redis_round() {
    row=redis server_round redis_start redis_load || return
    sample redis-log-event value "$(quotient "$log_bytes" "$log_events")"
}

pipeline_load() { redis_benchmark "$pipeline_requests" -P 16; }
pipeline_wants() { redis_wants; }
pipeline_round() { row=pipeline server_round redis_start pipeline_load; }

# A server that nobody asks anything.
idle_wants() { redis_wants; }
idle_round() {
    local side port before
    for side in native recorded; do
        run_on "$side"
        redis_start || return
        sleep 1
        before=$(cpu_so_far)
        sleep "$idle_seconds"
        sample idle "$side" "$(awk -v a="$before" -v b="$(cpu_so_far)" -v s="$idle_seconds" \
            'BEGIN { printf "%.6f\n", (b - a) * 1000 / s }')" || return
        stop_server || return
    done
}

# --- Web servers: one page of 612 bytes, 50 connections that stay open

make_page() {
    mkdir "$work/run/www" && printf '%612s' '<html></html>' >"$work/run/www/index.html"
}

web_load() {
    limited wrk -t 1 -c 50 -d "${web_seconds}s" -s "$here/wrk.lua" "http://127.0.0.1:$port/" >"$work/load.out" ||
        fail "wrk failed" || return
    [[ $(value_of errors "$work/load.out") == 0 ]] || fail "the server gave errors" || return
    requests=$(value_of requests "$work/load.out")
    sample "$row" "$side" "$(quotient "$requests" "$(value_of seconds "$work/load.out")")" || return
    sample_latency "$(value_of p50 "$work/load.out")" "$(value_of p99 "$work/load.out")" "$(value_of p999 "$work/load.out")"
}

nginx_start() {
    port=$(free_port)
    make_page || return
    cat >"$work/run/nginx.conf" <<CONFIGURATION
$([[ $(id -u) != 0 ]] || echo "user $(id -un);")
daemon off; worker_processes 1; pid $work/run/nginx.pid; error_log stderr;
events { worker_connections 256; }
http {
    sendfile on; access_log off;
    client_body_temp_path $work/run/a; proxy_temp_path $work/run/b; fastcgi_temp_path $work/run/c;
    uwsgi_temp_path $work/run/d; scgi_temp_path $work/run/e;
    server { listen 127.0.0.1:$port; root $work/run/www; }
}
CONFIGURATION
    start_server "port $port" "${prefix[@]}" nginx -e stderr -c "$work/run/nginx.conf"
}
nginx_wants() { need nginx wrk; }
nginx_round() { row=nginx server_round nginx_start web_load; }

lighttpd_start() {
    port=$(free_port)
    make_page || return
    cat >"$work/run/lighttpd.conf" <<CONFIGURATION
server.document-root = "$work/run/www"
server.bind = "127.0.0.1"
server.port = $port
server.max-keep-alive-requests = 1000
index-file.names = ( "index.html" )
CONFIGURATION
    start_server "port $port" "${prefix[@]}" lighttpd -D -f "$work/run/lighttpd.conf"
}
lighttpd_wants() { need lighttpd wrk; }
lighttpd_round() { row=lighttpd server_round lighttpd_start web_load; }

# --- PostgreSQL, which refuses to run as root: it then runs as the package's user. Its processes meet in atomics in shared
# memory, which only a build by castor cc would record: there is no row of its replay.

postgres_programs=/usr/lib/postgresql/15/bin
as_postgres=()
[[ $(id -u) != 0 ]] || as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)

postgres_wants() {
    need pgbench || return
    [[ -x $postgres_programs/initdb ]] || fail "PostgreSQL 15 is missing; 'make deps' installs it" || return
    "${as_postgres[@]}" test -x "$castor" || fail "postgres is left out: its user does not reach $castor"
}

postgres_start() {
    rm -rf "$PGDATA" && "${as_postgres[@]}" cp -a "$work/pg/made" "$PGDATA" || return
    postgres_start_it
}
postgres_start_it() {
    local deadline=$((SECONDS + 60))
    PGPORT=$(free_port)
    start_server "port $PGPORT" "${as_postgres[@]}" "${prefix[@]}" "$postgres_programs/postgres" -D "$PGDATA" \
        -p "$PGPORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= || return
    until pg_isready -q; do
        ((SECONDS < deadline)) || fail "PostgreSQL does not answer" || return
        sleep 0.1
    done
}

# A cluster with pgbench's tables, made once; every run gets a copy.
postgres_make() {
    install -d "$work/pg" && [[ $(id -u) != 0 ]] || chown postgres "$work/pg" || return
    limited "${as_postgres[@]}" "$postgres_programs/initdb" -D "$PGDATA" -A trust -U postgres >"$work/load.out" 2>&1 ||
        { cat "$work/load.out" >&2; fail "initdb failed"; } || return
    run_on native
    postgres_start_it && limited pgbench -i -q -s "$pgbench_scale" >"$work/load.out" 2>&1 || fail "pgbench -i failed" || return
    stop_server && mv "$PGDATA" "$work/pg/made"
}

pgbench_load() {
    rm -f "$work/run/transactions".*
    limited pgbench -n -c 4 -j 1 -T "$pgbench_seconds" -l --log-prefix="$work/run/transactions" >"$work/load.out" 2>&1 ||
        { cat "$work/load.out" >&2; fail "pgbench failed"; } || return
    requests=$(awk '/transactions actually processed/ { print $NF + 0 }' "$work/load.out")
    sample "$row" "$side" "$(awk '$1 == "tps" { print $3 }' "$work/load.out")" || return
    # shellcheck disable=SC2046 # three words
    sample_latency $(cut -d ' ' -f 3 "$work/run/transactions".* | sort -n | percentiles)
}
# Of sorted lines: p50, p99, p99.9.
percentiles() {
    awk '{ v[NR] = $1 } function at(s) { i = int(s * NR + 0.999999); return v[i < 1 ? 1 : i] }
        END { if (NR) print at(0.5), at(0.99), at(0.999) }'
}

postgres_round() {
    local -x PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=postgres PGPORT PGDATA=$work/pg/data
    local log=$work/pg/log
    [[ -d $work/pg/made ]] || postgres_make || return
    row=postgres server_round postgres_start pgbench_load no-replay
}
