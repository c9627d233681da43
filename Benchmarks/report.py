"""Medians, spreads, verdicts and the table of run.sh.

report.py write WORK RESULTS BUSY        from the samples of a run: latest.tsv, latest.md, and the plots' data
report.py publish RESULTS README FIGURES the latest tables into README, the plots into FIGURES
"""
import collections
import os
import re
import shutil
import statistics
import sys

# kind: rate, time: how often longer it takes recorded; added: how much longer, in the row's unit; replay: how often
# longer than recording; value, agent: measured as it is. below: an aim that is to be undercut, not only met.
Row = collections.namedtuple("Row", "id benchmark title unit kind aim below", defaults=(None, False))
ROWS = [
    Row("redis-get", "redis", "redis GET", "req/s", "rate", 1.10),
    Row("redis-set", "redis", "redis SET", "req/s", "rate", 1.10),
    Row("pigz", "pigz", "pigz -p 4", "s", "time", 1.03),
    Row("kvserver", "kvserver", "kvserver", "req/s", "rate"),
    Row("mutex", "mutex", "mutex lock", "ns", "added", 15, True),
    Row("read", "rw", "read of 64 bytes", "ns", "added", 60, True),
    Row("write", "rw", "write of 64 bytes", "ns", "added", 60, True),
    Row("clock", "clock", "clock_gettime", "ns", "added", 10, True),
    Row("atomic-add", "atomics", "atomic add", "ns", "added"),
    Row("atomic-load", "atomics", "atomic load", "ns", "added"),
    Row("atomic-store", "atomics", "atomic store", "ns", "added"),
    Row("volatile-load", "atomics", "volatile load", "ns", "added"),
    Row("volatile-store", "atomics", "volatile store", "ns", "added"),
    Row("contended-add", "contended", "atomic add, contended", "ns", "added"),
    Row("contended-load", "contended", "atomic load, contended", "ns", "added"),
    Row("contended-store", "contended", "atomic store, contended", "ns", "added"),
    Row("contended-volatile-load", "contended", "volatile load, contended", "ns", "added"),
    Row("contended-volatile-store", "contended", "volatile store, contended", "ns", "added"),
    Row("stall", "stall", "longest atomic add, 4 threads on 2 cores", "µs", "time"),
    Row("stall-thousandth", "stall", "one in a thousand of them takes", "ns", "added"),
    Row("kernel-castor", "order", "kernel, castor cc", "s", "time"),
    Row("kernel-shared", "order", "kernel, order=shared", "s", "time"),
    Row("kernel-shared-dormant", "order", "kernel, order=shared, not recorded", "s", "time"),
    Row("kvserver-castor", "order", "kvserver, castor cc", "req/s", "rate"),
    Row("kvserver-shared", "order", "kvserver, order=shared", "req/s", "rate"),
    Row("kvserver-shared-dormant", "order", "kvserver, order=shared, not recorded", "req/s", "rate"),
    Row("redis-built-get", "redis_built", "redis GET, castor cc", "req/s", "rate", 1.08),
    Row("redis-built-set", "redis_built", "redis SET, castor cc", "req/s", "rate", 1.08),
    Row("memcached", "memcached", "memcached -t 4, castor cc", "req/s", "rate", 1.08),
    Row("fillrandom", "leveldb", "db_bench fillrandom, castor cc", "µs", "time", 1.15),
    Row("dormant", "compile", "memcached, castor cc, not recorded", "req/s", "rate", 1.02),
    Row("compile-time", "compile", "compiling memcached", "s", "time"),
    Row("compile-size", "compile", "memcached's code and data", "KiB", "time"),
    Row("redis-replay", "redis", "redis", "s", "replay"),
    Row("pigz-replay", "pigz", "pigz", "s", "replay"),
    Row("drain-one-mutex", "drain", "locks of one mutex", "ns", "agent", 1000 / 60, True),
    Row("drain-mutexes", "drain", "locks of 64 mutexes", "ns", "agent", 1000 / 60, True),
    Row("drain-additions", "drain", "atomic additions to 64 objects", "ns", "agent", 1000 / 60, True),
    Row("drain-loads", "drain", "atomic loads of 64 objects", "ns", "agent", 1000 / 60, True),
    Row("drain-clock", "drain", "readings of the clock", "ns", "agent", 1000 / 60, True),
    Row("redis-log-event", "redis", "redis, bytes per event", "bytes", "value"),
    Row("redis-log-request", "redis", "redis, bytes per request", "bytes", "value"),
    Row("pigz-log-event", "pigz", "pigz, bytes per event", "bytes", "value"),
    Row("pigz-log-input", "pigz", "pigz, bytes per byte of input", "bytes", "value"),
]
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Result = collections.namedtuple("Result", "row base measured cost rounds verdict load cores busy")
Spread = collections.namedtuple("Spread", "median low high")


def spread(values):
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def cost(row, base, measured):
    if row.kind == "rate":
        return base / measured
    return measured - base if row.kind == "added" else measured / base


def evaluate(row, samples, condition, busy_cores):
    load, cores = condition
    first, second = {"value": ("", "value"), "agent": ("", "value"), "replay": ("recorded", "replayed")}.get(row.kind, ("native", "recorded"))
    base, measured = samples[row.id, first], samples[row.id, second]
    # Each pair ran in one round, one right after the other: what slows the whole machine down slows both.
    costs = [measured[i] if row.kind in ("value", "agent") else cost(row, base[i], measured[i]) for i in sorted(measured)]
    total = spread(costs)
    verdict = ""
    if not total:
        verdict = "failed"
    elif row.aim is not None:
        reached = total.median < row.aim if row.below else total.median <= row.aim
        verdict = "reached" if reached else "not reached"
    busy = float(cores) > busy_cores
    return Result(
        row, spread(base.values()), spread(measured.values()), total, len(costs), verdict, load, cores, busy)


def read_samples(work):
    samples = collections.defaultdict(dict)
    for name in sorted(os.listdir(os.path.join(work, "samples"))):
        with open(os.path.join(work, "samples", name)) as file:
            for line in file:
                row, round_number, side, value = line.rstrip("\n").split("\t")
                samples[row, side][int(round_number)] = float(value)
    return samples


# --- The table


def quantity(value, unit):
    if unit == "req/s":
        return f"{value:,.0f} req/s".replace(",", " ")
    return f"{value:.2f} {unit}"


def number(row, value):
    """A cost without its unit. Three places for ratios, so that none looks like its aim that misses it."""
    precise = row.kind in ("rate", "time", "replay") or row.unit == "bytes" and value < 10
    return f"{value:.{3 if precise else 1}f}".replace("-", "−")


def cost_text(row, value):
    if row.kind == "value":
        return number(row, value)
    if row.kind == "agent":
        return f"{value:.1f} ns"
    return f"+{number(row, value)} ns".replace("+−", "−") if row.kind == "added" else number(row, value) + "×"


def spread_text(row, value):
    return f"{number(row, value.low)} to {number(row, value.high)}"


def aim_text(row):
    if row.aim is None:
        return "none"
    return f"< {row.aim:.3g} ns" if row.below else f"≤ {row.aim:.2f}×"


def table(header, lines):
    rule = ["---"] + ["---:" if name not in ("Aim", "") else "---" for name in header[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule] + lines)


def markdown(about, results, orders):
    def lines(kinds, cells):
        chosen = [result for result in results if result.row.kind in kinds]
        return [[result.row.title + (" *" if result.busy else "")] + cells(result) for result in chosen]

    def overhead(result):
        row = result.row
        if not result.cost:
            return ["", "", "", "", aim_text(row), result.verdict]
        return [
            quantity(result.base.median, row.unit), quantity(result.measured.median, row.unit),
            cost_text(row, result.cost.median), spread_text(row, result.cost), aim_text(row), result.verdict,
        ]

    def replay(result):
        if not result.cost:
            return ["", "", "failed", ""]
        return [
            quantity(result.base.median, "s"), quantity(result.measured.median, "s"),
            cost_text(result.row, result.cost.median), spread_text(result.row, result.cost),
        ]

    def value(result):
        if not result.cost:
            return ["failed", ""]
        return [cost_text(result.row, result.cost.median), spread_text(result.row, result.cost)]

    def agent(result):
        if not result.cost:
            return ["failed", "", "", ""]
        return [cost_text(result.row, result.cost.median), spread_text(result.row, result.cost), aim_text(result.row), result.verdict]

    tables = [
        table(["Recording", "Native", "Recorded", "Cost", "Spread", "Aim", ""],
              lines(("rate", "time", "added"), overhead)),
        table(["Replay", "Recording", "Replay", "Ratio", "Spread"], lines(("replay",), replay)),
        table(["Agent", "Per event", "Spread", "Aim", ""], lines(("agent",), agent)),
        table(["Log", "Size", "Spread"], lines(("value",), value)),
    ]
    parts = ["\n".join(f"- {name}: {text}" for name, text in about)]
    # A run of chosen benchmarks has no lines for some tables.
    parts += [text for text in tables + [orders] if text.count("\n") > 1]
    if any(result.busy for result in results):
        parts.append("\\* Others used the machine when this was measured: not worth much.")
    return "\n\n".join(parts) + "\n"


# --- Designs of ordering


def read_orders(work):
    """Per design and number of threads: million events per second, and wrong orders; a value per round."""
    rates, wrong = collections.defaultdict(list), collections.defaultdict(list)
    for name in sorted(os.listdir(work)):
        if not name.startswith("orders."):
            continue
        with open(os.path.join(work, name)) as file:
            next(file)
            for line in file:
                design, threads, rate, _, count = line.rstrip("\n").split("\t")
                rates[design, int(threads)].append(float(rate))
                if count != "-":
                    wrong[design, int(threads)].append(int(count))
    return rates, wrong


def orders_table(rates, wrong):
    designs, counts = list(dict.fromkeys(d for d, _ in rates)), sorted({t for _, t in rates})
    lines = []
    for design in designs:
        cells = [f"{statistics.median(rates[design, t]):.1f}" for t in counts]
        found = [wrong[design, t] for t in counts if wrong[design, t]]
        lines.append([design] + cells + [str(sum(sum(f) for f in found)) if found else "none is logged"])
    header = [f"{t} thread" + "s" * (t > 1) for t in counts]
    return table(["Million events per second"] + header + ["Wrong orders"], lines) if lines else ""


def orders_data(rates):
    """For the plot: a line of medians per number of threads, under the designs' names."""
    designs, counts = list(dict.fromkeys(d for d, _ in rates)), sorted({t for _, t in rates})
    lines = [["threads"] + designs]
    lines += [[str(t)] + [f"{statistics.median(rates[d, t]):.6g}" for d in designs] for t in counts]
    return "".join("\t".join(line) + "\n" for line in lines) if designs else ""


# --- Files


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def write_tsv(path, about, results):
    names = ["row", "kind", "unit"]
    for name in ("base", "measured", "cost"):
        names += [name, name + "_min", name + "_max"]
    names += ["aim", "verdict", "rounds", "load_average", "cores_in_use"]
    lines = [f"# {name}\t{text}" for name, text in about] + ["\t".join(names)]
    for result in results:
        fields = [result.row.id, result.row.kind, result.row.unit]
        for numbers in (result.base, result.measured, result.cost):
            fields += [f"{value:.6g}" for value in numbers] if numbers else [""] * 3
        aim = "" if result.row.aim is None else str(result.row.aim)
        lines.append("\t".join(fields + [aim, result.verdict, str(result.rounds), result.load, result.cores]))
    write(path, "\n".join(lines) + "\n")


def write_plot_data(path, results, kinds):
    lines = []
    for result in results:
        if result.cost and result.row.kind in kinds:
            aim = "NaN" if result.row.aim is None else str(result.row.aim)
            lines.append("\t".join([result.row.title] + [f"{value:.6g}" for value in result.cost] + [aim]))
    write(path, "".join(line + "\n" for line in lines))


def write_results(work, directory, busy_cores):
    with open(os.path.join(work, "about")) as file:
        about = [line.rstrip("\n").split("\t", 1) for line in file]
    with open(os.path.join(work, "conditions")) as file:
        conditions = {name: (load, cores) for name, load, cores in (line.rstrip("\n").split("\t") for line in file)}
    samples = read_samples(work)
    results = [
        evaluate(row, samples, conditions[row.benchmark], float(busy_cores))
        for row in ROWS if row.benchmark in conditions
    ]
    write_tsv(os.path.join(directory, "latest.tsv"), about, results)
    rates, wrong = read_orders(work)
    write(os.path.join(directory, "latest.md"), markdown(about, results, orders_table(rates, wrong)))
    write(os.path.join(directory, "orders.dat"), orders_data(rates))
    write_plot_data(os.path.join(directory, "overhead.dat"), results, ("rate", "time"))
    write_plot_data(os.path.join(directory, "events.dat"), results, ("added",))


def publish(directory, readme, figures):
    source = os.path.join(directory, "latest.md")
    plots = ["overhead.svg", "orders.svg"]
    for path in [source] + [os.path.join(directory, plot) for plot in plots]:
        if not os.path.exists(path):
            sys.exit(f"bench: {path} is missing; 'make bench' makes it")
    with open(os.path.join(directory, "latest.tsv")) as file:
        measured = {line.split("\t", 1)[0] for line in file if "\tfailed\t" not in line}
    missing = [row.id for row in ROWS if row.id not in measured]
    if missing:
        sys.exit(f"bench: the latest run lacks {', '.join(missing)}; nothing was published")
    with open(source) as file:
        text = file.read()
    with open(readme) as file:
        old = file.read()
    name = os.path.basename(figures)
    figure = f"![Recorded time against native time, with the aims]({name}/overhead.svg)\n\n" + \
        f"![Million events per second by number of threads, for each design of ordering]({name}/orders.svg)"
    new, count = re.subn(
        re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: f"{BEGIN}\n{text}\n{figure}\n{END}", old, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"bench: {readme} has {count} places for the figures, not one")
    os.makedirs(figures, exist_ok=True)
    for plot in plots:
        shutil.copyfile(os.path.join(directory, plot), os.path.join(figures, plot))
    write(readme, new)
    print(f"published: {readme}, {figures}")


if sys.argv[1] == "write":
    write_results(*sys.argv[2:])
else:
    publish(*sys.argv[2:])
