"""Medians, spreads, verdicts and the tables of run.sh.

report.py write WORK RESULTS BUSY        from the samples of a run: latest.csv, latest.md, and the plots' data
report.py check RESULTS THRESHOLDS       fails when a cost of the latest run is beyond its limit
report.py publish RESULTS README FIGURES the latest tables into README, the plots into FIGURES
"""
import collections
import csv
import os
import re
import shutil
import statistics
import sys

from rows import ROWS, SIDES, TABLES, cost

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
PLOTS = {
    "overhead": "Recorded time against native time, with the aims",
    "kernels": "Time of the kernels, recorded and replayed in both orders",
    "orders": "Million events per second by number of threads, for each design of ordering",
    "turns": "Million events per second replayed by number of threads, for each design of waiting",
}

Result = collections.namedtuple("Result", "row base measured cost rounds verdict load cores busy recorded")
Spread = collections.namedtuple("Spread", "median low high")


def spread(values):
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def is_within(value, limit, sense):
    if sense == "least":
        return value >= limit
    return value < limit if sense == "below" else value <= limit


def evaluate(row, samples, condition, busy_cores):
    load, cores = condition
    base, measured, *recorded = (samples[row.id, side] for side in SIDES[row.kind])
    # Each pair ran in one round, one right after the other: what slows the whole machine down slows both.
    costs = [cost(row, base[i], measured[i]) for i in sorted(measured)]
    total = spread(costs)
    verdict = ""
    if not total:
        verdict = "failed"
    elif row.aim is not None:
        verdict = "reached" if is_within(total.median, row.aim, row.sense) else "not reached"
    return Result(
        row, spread(base.values()), spread(measured.values()), total, len(costs), verdict, load, cores,
        float(cores) > busy_cores, [spread(values.values()) for values in recorded])


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [line.rstrip("\n").split("\t") for line in file]


def read_samples(work):
    samples = collections.defaultdict(dict)
    for name in sorted(os.listdir(os.path.join(work, "samples"))):
        for row, round_number, side, value in lines_of(os.path.join(work, "samples", name)):
            samples[row, side][int(round_number)] = float(value)
    # A row that failed in one round has not been measured.
    failed = {fields[0] for fields in lines_of(os.path.join(work, "failed"))}
    for row, side in list(samples):
        if row in failed:
            del samples[row, side]
    known = {row.id for row in ROWS}
    unknown = sorted({row for row, _ in samples} - known)
    if unknown:
        sys.exit(f"bench: rows.py has no row {', '.join(unknown)}")
    return samples


# --- Designs side by side: orders of recording, turns of replay


class Designs:
    """Per design and number of threads: million events per second, and what was wrong; a value per round."""

    def __init__(self, work, name):
        self.rates, self.wrong, self.notes = (collections.defaultdict(list) for _ in range(3))
        for file in sorted(os.listdir(work)):
            if not re.fullmatch(name + r"\.\d+", file):
                continue
            for design, threads, rate, _, wrong in lines_of(os.path.join(work, file))[1:]:
                if threads == "-":
                    self.notes[design] = wrong
                    self.rates[design, 0] = []
                    continue
                self.rates[design, int(threads)].append(float(rate))
                if wrong != "-":
                    self.wrong[design].append(int(wrong))
        self.names = list(dict.fromkeys(design for design, _ in self.rates))
        self.counts = sorted({threads for _, threads in self.rates} - {0})

    def table(self, title, wrong_title):
        lines = []
        for design in self.names:
            if design in self.notes:
                lines.append([design] + [""] * len(self.counts) + [self.notes[design]])
                continue
            cells = [f"{statistics.median(self.rates[design, t]):.1f}" for t in self.counts]
            lines.append([design] + cells + [str(sum(self.wrong[design])) if design in self.wrong else "none is logged"])
        header = [f"{t} thread" + "s" * (t > 1) for t in self.counts]
        return table([title] + header + [wrong_title], lines)

    def data(self):
        """For the plot: a line of medians per number of threads, under the designs' names."""
        names = [name for name in self.names if name not in self.notes]
        lines = [["threads"] + names]
        lines += [[str(t)] + [f"{statistics.median(self.rates[d, t]):.6g}" for d in names] for t in self.counts]
        return "".join("\t".join(line) + "\n" for line in lines) if self.counts else ""

    def csv_rows(self, name):
        for design in self.names:
            for threads in self.counts:
                values = spread(self.rates[design, threads])
                if values:
                    measured = [f"{value:.6g}" for value in values]
                    yield [f"{name}: {design}, {threads}", "value", "million/s"] + [""] * 3 + measured * 2 + [""] * 5


# --- The tables


def quantity(value, unit):
    if unit == "req/s" or unit == "µs" and value >= 100:
        return f"{value:,.0f} {unit}".replace(",", " ")
    return f"{value:.2f} {unit}".rstrip()


def number(row, value):
    """A cost without its unit. Three places for ratios, so that none looks like its aim that misses it."""
    precise = row.kind not in ("added", "value") or abs(value) < 10 and row.unit != "ns"
    return f"{value:.{3 if precise else 1}f}".replace("-", "−")


def cost_text(row, value):
    if row.kind == "added":
        return f"+{number(row, value)} {row.unit}".replace("+−", "−")
    return number(row, value) + ("" if row.kind == "value" else "×")


def aim_text(row):
    if row.aim is None:
        return "none"
    unit = "×" if row.kind not in ("added", "value") else f" {row.unit}".rstrip()
    return {"most": "≤", "below": "<", "least": "≥"}[row.sense] + f" {row.aim:.4g}{unit}"


def table(header, lines):
    rule = ["---"] + ["---:" if name not in ("Aim", "") else "---" for name in header[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule] + lines)


def results_table(title, results):
    heads = TABLES[title]
    lines = []
    for result in results:
        row = result.row
        cells = ["failed"] + [""] * len(heads)
        if result.cost:
            sides = [] if row.kind == "value" else [quantity(s.median, row.unit) for s in (result.base, *result.recorded, result.measured)]
            cells = sides + [cost_text(row, result.cost.median), f"{number(row, result.cost.low)} to {number(row, result.cost.high)}"]
        lines.append([row.title + (" *" if result.busy else "")] + cells + [aim_text(row), result.verdict])
    return table([title, *heads, "Spread", "Aim", ""], lines)


def markdown(about, results, designs):
    parts = ["\n".join(f"- {name}: {text}" for name, text in about)]
    for title in TABLES:
        chosen = [result for result in results if result.row.table == title]
        if chosen:  # a run of chosen benchmarks has no lines for some tables
            parts.append(results_table(title, chosen))
    parts += [text for text in designs if text.count("\n") > 1]
    if any(result.busy for result in results):
        parts.append("\\* Others used the machine when this was measured: not worth much.")
    return "\n\n".join(parts) + "\n"


# --- Files


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def write_csv(path, results, designs):
    names = ["row", "kind", "unit"]
    for name in ("base", "measured", "cost"):
        names += [name, name + "_min", name + "_max"]
    with open(path, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(names + ["aim", "verdict", "rounds", "load_average", "cores_in_use", "recorded", "recorded_min", "recorded_max"])
        for result in results:
            fields = [result.row.id, result.row.kind, result.row.unit]
            for numbers in (result.base, result.measured, result.cost):
                fields += [f"{value:.6g}" for value in numbers] if numbers else [""] * 3
            aim = "" if result.row.aim is None else f"{result.row.aim:.4g}"
            recorded = [f"{value:.6g}" for spread in result.recorded if spread for value in spread]
            out.writerow(fields + [aim, result.verdict, result.rounds, result.load, result.cores] + recorded)
        for name, compared in designs.items():
            out.writerows(compared.csv_rows(name))


def overhead_data(results, kinds):
    lines = []
    for result in results:
        row = result.row
        if not result.cost or row.table != "Recording" or row.kind not in kinds:
            continue
        # Of ratios those of whole programs that are to reach something.
        if row.kind == "added" or row.aim is not None and row.unit != "ns":
            aim = "NaN" if row.aim is None else f"{row.aim:.4g}"
            lines.append("\t".join([row.title] + [f"{value:.6g}" for value in result.cost] + [aim]))
    return "".join(line + "\n" for line in lines)


def kernels_data(results):
    """Title; time recorded, replayed in partial and in total order, each as multiples of the native time."""
    found = {result.row.id: result for result in results}
    lines = []
    for id, result in found.items():
        orders, replay = found.get(f"{id}-orders"), found.get(f"{id}-replay")
        if result.row.table != "Kernel" or not (result.cost and orders and orders.cost and replay.cost):
            continue
        # Replays are timed from start to end of the process, as the recording in the row `replay`.
        scale = result.cost.median / replay.base.median
        values = [result.cost.median, orders.base.median * scale, orders.measured.median * scale]
        lines.append("\t".join([result.row.title] + [f"{value:.6g}" for value in values]))
    return "".join(line + "\n" for line in lines)


def write_results(work, directory, busy_cores):
    about = lines_of(os.path.join(work, "about"))
    conditions = {name: (load, cores) for name, load, cores in lines_of(os.path.join(work, "conditions"))}
    samples = read_samples(work)
    results = [
        evaluate(row, samples, conditions[row.benchmark], float(busy_cores))
        for row in ROWS if row.benchmark in conditions
    ]
    orders, turns = Designs(work, "orders"), Designs(work, "turns")
    tables = [orders.table("Million events per second", "Wrong orders"),
              turns.table("Million events per second, replayed", "Wrong objects")]
    write_csv(os.path.join(directory, "latest.csv"), results, {"orders": orders, "turns": turns})
    write(os.path.join(directory, "latest.md"), markdown(about, results, tables))
    for name, data in [("orders", orders.data()), ("turns", turns.data()), ("kernels", kernels_data(results)),
                       ("overhead", overhead_data(results, ("rate", "time"))), ("events", overhead_data(results, ("added",)))]:
        write(os.path.join(directory, name + ".dat"), data)


def latest(directory):
    with open(os.path.join(directory, "latest.csv"), newline="") as file:
        return {line["row"]: line for line in csv.DictReader(file)}


def check(directory, thresholds):
    """A row that was left out is not checked; one that failed is beyond every limit."""
    rows, measured, beyond = {row.id: row for row in ROWS}, latest(directory), []
    for fields in lines_of(thresholds):
        if fields[0].startswith("#") or fields == [""]:
            continue
        id, limit = fields[0], float(fields[1])
        if id not in rows:
            sys.exit(f"bench: {thresholds}: there is no row {id}")
        if id not in measured:
            continue
        value = measured[id]["cost"]
        if not value or not is_within(float(value), limit, rows[id].sense):
            beyond.append(f"{id}: {value or 'failed'}, limit {limit:g}")
    for text in beyond:
        print(f"bench: beyond its limit: {text}", file=sys.stderr)
    sys.exit(1 if beyond else 0)


def publish(directory, readme, figures):
    source = os.path.join(directory, "latest.md")
    for path in [source] + [os.path.join(directory, plot + ".svg") for plot in PLOTS]:
        if not os.path.exists(path):
            sys.exit(f"bench: {path} is missing; 'make bench' makes it")
    measured = {id for id, line in latest(directory).items() if line["verdict"] != "failed"}
    missing = [row.id for row in ROWS if row.id not in measured]
    if missing:
        sys.exit(f"bench: the latest run lacks {', '.join(missing)}; nothing was published")
    with open(source) as file:
        text = file.read()
    with open(readme) as file:
        old = file.read()
    name = os.path.basename(figures)
    figure = "\n\n".join(f"![{title}]({name}/{plot}.svg)" for plot, title in PLOTS.items())
    new, count = re.subn(
        re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: f"{BEGIN}\n{text}\n{figure}\n{END}", old, flags=re.DOTALL)
    if count != 1:
        sys.exit(f"bench: {readme} has {count} places for the figures, not one")
    os.makedirs(figures, exist_ok=True)
    for plot in PLOTS:
        shutil.copyfile(os.path.join(directory, plot + ".svg"), os.path.join(figures, plot + ".svg"))
    write(readme, new)
    print(f"published: {readme}, {figures}")


{"write": write_results, "check": check, "publish": publish}[sys.argv[1]](*sys.argv[2:])
