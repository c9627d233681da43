#!/usr/bin/env python3
"""Checks the order of a log without a replay: order_check.py OUTPUT < EVENTS

EVENTS is what `castor dump --json` prints of a recording of the guest `order`, OUTPUT is what the guest printed. An old
value names its counter in its upper bits and its place in the counter's order in its lower bits. So

- each counter's old values are all there, once each;
- in their order the versions increase, within one shard;
- each thread got the old values that the log says: their hashes, thread by thread, are the printed ones.

A line at a time, 8 bytes kept per event.
"""
import json
import re
import sys
from array import array
from collections import Counter

SHIFT = 40
HASH_START, HASH_FACTOR, MASK = 14695981039346656037, 1099511628211, (1 << 64) - 1
MISSING = MASK


def hashed(value, word):
    value = (value ^ word) * HASH_FACTOR & MASK
    return value ^ value >> 29


class Order:
    def __init__(self):
        self.versions = {}  # counter: versions by place
        self.shards = {}  # counter: its shard and object
        self.seen = {}  # (stream, counter): hash of old values
        self.events = 0

    def add(self, event):
        old = event["result"] & MASK
        counter, place = old >> SHIFT, old & (1 << SHIFT) - 1
        if not event["name"].startswith("fetch_add") or not 1 <= counter < 256:
            return
        self.events += 1
        where = event["shard"], event["object"]
        if self.shards.setdefault(counter, where) != where:
            sys.exit(f"counter {counter} is in {where} and in {self.shards[counter]}: {event}")
        versions = self.versions.setdefault(counter, array("Q"))
        if place >= len(versions):
            versions.extend([MISSING] * (place + 1 - len(versions)))
        if versions[place] != MISSING:
            sys.exit(f"counter {counter} had the old value {place} twice: {event}")
        versions[place] = event["version"]
        key = event["stream"], counter
        self.seen[key] = hashed(self.seen.get(key, HASH_START), old)

    def check(self, printed):
        for counter, versions in self.versions.items():
            for place, version in enumerate(versions):
                if version == MISSING:
                    sys.exit(f"counter {counter}: no event with the old value {place}")
                if place and version <= versions[place - 1]:
                    sys.exit(f"counter {counter}: old value {place} has version {version}, the one before has "
                             f"{versions[place - 1]}")
        logged = Counter((counter, value) for (_, counter), value in self.seen.items())
        if logged != printed:
            sys.exit(f"the threads got other values than the log says: {printed - logged}, {logged - printed}")


def main():
    # A thread that never touched a counter printed the hash's start.
    with open(sys.argv[1]) as output:
        lines = re.findall(r"counter (\d+) saw ([0-9a-f]{16})", output.read())
    printed = Counter((int(counter), int(value, 16)) for counter, value in lines)
    printed = Counter({key: count for key, count in printed.items() if key[1] != HASH_START})
    if not printed:
        sys.exit("the guest printed no hashes")
    order = Order()
    for line in sys.stdin:
        # Most lines of a log are of other kinds, and reading them as JSON takes the time.
        if '"atomic"' in line:
            event = json.loads(line)
            if event["kind"] == "atomic":
                order.add(event)
    order.check(printed)
    print(f"{order.events} events in order")


if __name__ == "__main__":
    main()
