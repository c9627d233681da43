"""The load of `make demo-ft`: counts up with kvserver over many connections, and knows every answer.

ftload.py ADDRESS PORT CONNECTIONS SECONDS. A line a quarter of a second: answers so far, answers a second, the longest time without
any. A wrong answer, a connection that ends or one that is silent for 10 s is the end, with status 1."""
import selectors
import socket
import sys
import time

address, (port, count, seconds) = sys.argv[1], map(int, sys.argv[2:])
selector = selectors.DefaultSelector()


class Counter:
    def __init__(self, number):
        self.key, self.value, self.got = b"counter%d" % number, 0, b""
        self.socket = socket.create_connection((address, port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(b"set %s 0 0 1\r\n0\r\n" % self.key, b"STORED\r\n")
        selector.register(self.socket, selectors.EVENT_READ, self)

    def send(self, request, answer):
        self.socket.sendall(request)
        self.expected, self.got, self.asked = answer, b"", time.monotonic()

    def hear(self):
        data = self.socket.recv(4096)
        self.got += data
        if not data or not self.expected.startswith(self.got):
            sys.exit(f"\n{self.key.decode()}: {self.got!r} came instead of {self.expected!r}")
        if self.got != self.expected:
            return False
        self.value += 1
        self.send(b"incr %s 1\r\n" % self.key, b"%d\r\n" % self.value)
        return True


counters = [Counter(number) for number in range(count)]
begun = last = shown = time.monotonic()
answers = before = 0
longest = 0.0
while time.monotonic() - begun < seconds:
    for key, _ in selector.select(0.05):
        if key.data.hear():
            now = time.monotonic()
            answers, longest, last = answers + 1, max(longest, now - last), now
    now = time.monotonic()
    if now - shown >= 0.25:
        rate = (answers - before) / (now - shown)
        print(f"  {now - begun:5.2f} s  {answers:8} right answers  {rate:7.0f}/s  longest pause {longest * 1000:4.0f} ms", flush=True)
        shown, before = now, answers
    if any(now - counter.asked > 10 for counter in counters):
        sys.exit("a connection has been silent for 10 s")
print(f"all {answers} answers over {count} connections were right; none was reset; longest pause {longest * 1000:.0f} ms")
