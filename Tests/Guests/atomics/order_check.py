#!/usr/bin/env python3
"""Checks the order of a log without a replay: order_check.py OUTPUT [--owned] < EVENTS

EVENTS is what `castor dump --json` prints of a recording of the guest `order`, OUTPUT is what the guest printed. An old
value names its counter in its upper bits and its place in the counter's order in its lower bits. So

- each counter's old values are all there, once each;
- in their order the versions increase, within one shard;
- each thread got the old values that the log says: their hashes, thread by thread, are the printed ones.

With --owned the log was made without --all-atomics. Old values may be missing then, and hashes are not looked at; but

- no more are missing than the log counts operations of owners;
- between two old values of different threads none are missing unless the shard was taken from its owner there;
- where a shard was taken, its owner had not come further than it has in the end.

A line at a time, 10 bytes kept per event.
"""
import json
import re
import sys
from array import array
from bisect import bisect_right
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
        self.streams = {}  # counter: streams by place
        self.taken = {}  # shard: versions of its takings
        self.places = {}  # stream: furthest that a taking names
        self.counts = {}  # stream: operations on shards of its own

    def add_taken(self, event):
        self.taken.setdefault(event["shard"], []).append(event["version"])
        stream, count = (event["value"] >> 48) - 1, event["value"] & (1 << 48) - 1
        self.places[stream] = max(self.places.get(stream, 0), count)

    def add_owned(self, event):
        self.counts[event["stream"]] = self.counts.get(event["stream"], 0) + event["value"]
        if self.counts[event["stream"]] != event["object"]:
            sys.exit(f"the thread has done {self.counts[event['stream']]} operations on shards of its own: {event}")

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
            streams = self.streams.setdefault(counter, array("H"))
            streams.extend([0] * (place + 1 - len(streams)))
        if versions[place] != MISSING:
            sys.exit(f"counter {counter} had the old value {place} twice: {event}")
        versions[place] = event["version"]
        self.streams[counter][place] = event["stream"]
        key = event["stream"], counter
        self.seen[key] = hashed(self.seen.get(key, HASH_START), old)

    def check_owned(self):
        missing = 0
        for counter, versions in self.versions.items():
            taken, last = sorted(self.taken.get(self.shards[counter][0], [])), None
            for place, version in enumerate(versions):
                if version == MISSING:
                    missing += 1
                    continue
                if last is not None:
                    if version <= versions[last]:
                        sys.exit(f"counter {counter}: old value {place} has version {version}, {last} has {versions[last]}")
                    streams = self.streams[counter]
                    if place > last + 1 and streams[place] != streams[last]:
                        following = bisect_right(taken, versions[last])
                        if following == len(taken) or taken[following] >= version:
                            sys.exit(f"counter {counter}: between the old values {last} and {place} nobody took the shard")
                last = place
        owned = sum(self.counts.values())
        if missing > owned:
            sys.exit(f"{missing} old values are missing, the log counts {owned}")
        for stream, place in self.places.items():
            if place > self.counts.get(stream, 0):
                sys.exit(f"stream {stream} came to {self.counts.get(stream, 0)}, a shard was taken from it at {place}")
        return missing

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
    adders = {"atomic": order.add, "taken": order.add_taken, "owned": order.add_owned}
    for line in sys.stdin:
        # Most lines of a log are of other kinds, and reading them as JSON takes the time.
        if '"atomic"' in line or '"taken"' in line or '"owned"' in line:
            event = json.loads(line)
            if event["kind"] in adders:
                adders[event["kind"]](event)
    if "--owned" in sys.argv:
        # What follows a counter's last logged value is not known.
        print(f"{order.events} events in order, {order.check_owned()} between them")
    else:
        order.check(printed)
        print(f"{order.events} events in order")


if __name__ == "__main__":
    main()
