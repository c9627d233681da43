"""The rows of the report: what is measured, how it is compared, and what it is to reach (README.md explains them).

kind says which samples there are and what the cost of a row is:
    rate    native / recorded, of things per second
    time    recorded / native, of durations and amounts
    added   recorded - native, in the row's unit
    replay  replayed / recorded
    orders  total / partial
    protected-rate, protected-time    as rate and time, of protected and native; recorded is shown besides
    value   one number as it is
sense says when the aim is reached: at most, below, at least.
"""
import collections

Row = collections.namedtuple("Row", "id benchmark title unit kind aim table sense", defaults=(None, "Recording", "most"))

# Kind: the samples of a row, and what heads their columns.
SIDES = {
    "rate": ("native", "recorded"), "time": ("native", "recorded"), "added": ("native", "recorded"),
    "replay": ("recorded", "replayed"), "orders": ("partial", "total"), "value": ("value", "value"),
    "protected-rate": ("native", "protected", "recorded"), "protected-time": ("native", "protected", "recorded"),
}
TABLES = {
    "Recording": ("Native", "Recorded", "Cost"), "Kernel": ("Native", "Recorded", "Cost"),
    "Latency": ("Native", "Recorded", "Cost"), "Processor time and memory": ("Native", "Recorded", "Cost"),
    "Replay": ("Recording", "Replay", "Ratio"), "Order of replay": ("Partial", "Total", "Ratio"),
    "Agent": ("Value",), "Log": ("Value",),
    "Standby": ("Native", "Recorded", "Protected", "Cost"), "Standby and take-over": ("Value",),
}
CPU_AIM, P99_AIM, REPLAY_AIM = 1.15, 1.2, 1.0


def cost(row, base, measured):
    if row.kind in ("rate", "protected-rate"):
        return base / measured if measured else float("inf")
    if row.kind == "added":
        return measured - base
    return measured if row.kind == "value" else measured / base if base else float("inf")


def throughput(id, benchmark, title, least):
    """`least` of the native requests per second."""
    return [Row(id, benchmark, title, "req/s", "rate", least and 1 / least)]


def resources(id, benchmark, title, unit):
    return [Row(f"{id}-cpu", benchmark, f"{title}, processor time", unit, "time", CPU_AIM, "Processor time and memory")]


def log_and_replay(id, benchmark, title, per, aim=None, replays=True):
    rows = [Row(f"{id}-log-{per}", benchmark, f"{title}, bytes per {per}", "bytes", "value", aim, "Log")]
    if replays:
        rows.append(Row(f"{id}-replay", benchmark, title, "s", "replay", REPLAY_AIM, "Replay"))
    return rows


def server(id, benchmark, title, rates, log_aim=None, replays=True):
    """What there is of every server under load; `rates` are its rows of throughput."""
    latency = [
        Row(f"{id}-{name}", benchmark, f"{title}, {text}", "µs", "time", P99_AIM if name == "p99" else None, "Latency")
        for name, text in [("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")]
    ]
    memory = [Row(f"{id}-memory", benchmark, f"{title}, memory", "MiB", "time", None, "Processor time and memory")]
    return rates + latency + resources(id, benchmark, title, "µs/req") + memory + \
        log_and_replay(id, benchmark, title, "request", log_aim, replays)


def program(id, benchmark, title, unit, aim):
    return [Row(id, benchmark, title, unit, "time", aim)] + resources(id, benchmark, title, "s") + \
        log_and_replay(id, benchmark, title, "event")


def kernel(id, title, gain=None, log_aim=None):
    return [
        Row(id, id, title, "s", "time", None, "Kernel"),
        Row(f"{id}-replay", id, f"kernel {title}", "s", "replay", REPLAY_AIM, "Replay"),
        Row(f"{id}-orders", id, title, "s", "orders", gain, "Order of replay", "least"),
        Row(f"{id}-log", id, f"kernel {title}, bytes per synchronisation", "bytes", "value", log_aim, "Log"),
    ]


def added(id, benchmark, title, aim=None):
    return Row(id, benchmark, title, "ns", "added", aim)


ROWS = [
    *server("redis", "redis", "redis", throughput("redis-get", "redis", "redis GET", 0.95) +
            throughput("redis-set", "redis", "redis SET", 0.95), log_aim=12),
    Row("redis-log-event", "redis", "redis, bytes per event", "bytes", "value", None, "Log"),
    *server("pipeline", "pipeline", "redis -P 16", throughput("pipeline-get", "pipeline", "redis GET, pipeline of 16", 0.90) +
            throughput("pipeline-set", "pipeline", "redis SET, pipeline of 16", 0.90)),
    *server("kvserver", "kvserver", "kvserver", throughput("kvserver", "kvserver", "kvserver", None)),
    *server("calm", "calm", "kvserver, calm", []),
    *server("nginx", "nginx", "nginx", throughput("nginx", "nginx", "nginx, 1 worker, sendfile", 0.92)),
    *server("lighttpd", "lighttpd", "lighttpd", throughput("lighttpd", "lighttpd", "lighttpd", 0.95)),
    *server("postgres", "postgres", "PostgreSQL", throughput("postgres", "postgres", "PostgreSQL, pgbench", 0.97), replays=False),
    Row("idle", "idle", "redis, idle, of a second", "ms", "added", 1, "Processor time and memory", "below"),
    *program("pigz", "pigz", "pigz -p 4", "s", 1.02),
    Row("pigz-log-input", "pigz", "pigz -p 4, bytes per byte of input", "bytes", "value", None, "Log"),
    *program("pbzip2", "pbzip2", "pbzip2 -p2", "s", 1.02),
    *program("sqlite", "sqlite", "sqlite, file", "s", 1.15),
    *kernel("locks1", "locks, all share them", log_aim=4),
    *kernel("locks4", "locks, 4 groups", gain=1.5),
    *kernel("barriers", "barriers"),
    *kernel("queue", "queue"),
    *kernel("steal", "work stealing"),
    *kernel("nbody", "n-body"),
    *kernel("ocean", "ocean"),
    Row("threads", "threads", "1,000 threads, 996 of them idle: of the throughput of 4", "", "value", 0.9, "Agent", "least"),
    Row("end-to-end", "end_to_end", "a thread that locks, and the agent: million events/s", "", "value", 30, "Agent", "least"),
    added("mutex", "mutex", "mutex lock", 10),
    Row("mutex-limit", "mutex", "mutex lock, against lock, RDTSC and a line", "ns", "time", 1.5),
    added("read", "rw", "read of 64 bytes", 40),
    added("write", "rw", "write of 64 bytes", 40),
    added("clock", "clock", "clock_gettime", 10),
    added("atomic-add", "atomics", "atomic add", 5),
    added("atomic-load", "atomics", "atomic load", 3),
    added("atomic-store", "atomics", "atomic store", 5),
    added("volatile-load", "atomics", "volatile load", 3),
    added("volatile-store", "atomics", "volatile store", 5),
    added("contended-add", "contended", "atomic add, contended"),
    added("contended-load", "contended", "atomic load, contended"),
    added("contended-store", "contended", "atomic store, contended"),
    added("contended-volatile-load", "contended", "volatile load, contended"),
    added("contended-volatile-store", "contended", "volatile store, contended"),
    Row("stall", "stall", "longest atomic add, 4 threads on 2 cores", "µs", "time"),
    added("stall-thousandth", "stall", "one in a thousand of them takes"),
    Row("kernel-castor", "order", "computing, castor cc", "s", "time"),
    Row("kernel-shared", "order", "computing, order=shared", "s", "time"),
    Row("kernel-shared-dormant", "order", "computing, order=shared, not recorded", "s", "time"),
    Row("kvserver-castor", "order", "kvserver, castor cc", "req/s", "rate"),
    Row("kvserver-shared", "order", "kvserver, order=shared", "req/s", "rate"),
    Row("kvserver-shared-dormant", "order", "kvserver, order=shared, not recorded", "req/s", "rate"),
    *server("redis-built", "redis_built", "redis, castor cc",
            throughput("redis-built-get", "redis_built", "redis GET, castor cc", 0.95) +
            throughput("redis-built-set", "redis_built", "redis SET, castor cc", 0.95)),
    *server("memcached", "memcached", "memcached -t 2, castor cc",
            throughput("memcached", "memcached", "memcached -t 2, castor cc", 0.92)),
    *program("fillrandom", "leveldb", "db_bench fillrandom, castor cc", "µs", 1 / 0.95),
    *throughput("dormant", "compile", "memcached, castor cc, not recorded", 0.98),
    Row("compile-time", "compile", "compiling memcached", "s", "time"),
    Row("compile-size", "compile", "memcached's code and data", "KiB", "time"),
    *[Row(f"drain-{name}", "drain", f"{title}, ns each", "ns", "value", 1000 / 60, "Agent", "below") for name, title in [
        ("one-mutex", "locks of one mutex"), ("mutexes", "locks of 64 mutexes"), ("additions", "atomic additions to 64 objects"),
        ("loads", "atomic loads of 64 objects"), ("clock", "readings of the clock")]],
    *[row for count, text in [(1, "1 connection"), (64, "64 connections")] for row in [
        Row(f"standby-get-{count}", "standby", f"redis GET, {text}", "req/s", "protected-rate", None, "Standby"),
        Row(f"standby-p50-{count}", "standby", f"redis GET, {text}, p50", "µs", "protected-time", None, "Standby"),
        Row(f"standby-p99-{count}", "standby", f"redis GET, {text}, p99", "µs", "protected-time", None, "Standby")]],
    Row("standby-down", "standby_bulk", "bulk to the client", "MB/s", "protected-rate", None, "Standby"),
    Row("standby-up", "standby_bulk", "bulk from the client", "MB/s", "protected-rate", None, "Standby"),
    *[Row(f"standby-{name}", benchmark, title, unit, "value", None, "Standby and take-over") for name, benchmark, title, unit in [
        ("log-request", "standby", "redis GET, bytes of log per request", "bytes"),
        ("lag-bytes", "standby", "lag of the replica, 64 connections, KiB of log", "KiB"),
        ("lag-time", "standby", "lag of the replica, 64 connections, ms", "ms"),
        ("gap-killed", "standby_gap", "time without an answer, primary killed, ms", "ms"),
        ("gap-cut", "standby_gap", "time without an answer, primary cut off, ms", "ms")]],
]
