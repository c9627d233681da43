"""A client of redis or memcached that knows every answer: tcp_load.py redis|memcached ADDRESS PORT CONNECTIONS REQUESTS [IDLE].

Each connection has keys of its own, one request under way, and is never made anew: a connection that is reset, ends or is silent for
20 s is a failure, and so is an answer that is not the one that its model of the keys has. IDLE further connections say nothing until
the end, when each is answered. Prints a line for every thousand answers and, at the end, the longest times without an answer."""
import random
import selectors
import socket
import sys
import time

protocol, address = sys.argv[1:3]
port, count, requests, idle_count = (list(map(int, sys.argv[3:])) + [0])[:4]
seed = random.randrange(1 << 32)
chance = random.Random(seed)
selector = selectors.DefaultSelector()
answers, last, longest_silence = 0, time.monotonic(), 0.0


class Redis:
    """Requests and what is answered, as bytes."""
    ping = b"PING\r\n", b"+PONG\r\n"

    @staticmethod
    def words(*words):
        return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

    def set(self, key, value):
        return self.words(b"SET", key, value), b"+OK\r\n"

    def get(self, key, value):
        return self.words(b"GET", key), b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)

    def append(self, key, tail, old):
        return self.words(b"APPEND", key, tail), b":%d\r\n" % (len(old or b"") + len(tail))

    def add(self, key, number):
        return self.words(b"INCR", key), b":%d\r\n" % number


class Memcached:
    """Such commands as the sample server knows, too."""
    ping = b"get nothing\r\n", b"END\r\n"

    @staticmethod
    def store(word, key, value):
        return b"%s %s 0 0 %d\r\n%s\r\n" % (word, key, len(value), value)

    def set(self, key, value):
        return self.store(b"set", key, value), b"STORED\r\n"

    def get(self, key, value):
        return b"get %s\r\n" % key, b"END\r\n" if value is None else b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)

    def append(self, key, tail, old):
        return self.set(key, (old or b"") + tail)

    def add(self, key, number):
        return (b"incr %s 1\r\n" % key, b"%d\r\n" % number) if number > 1 else self.set(key, b"1")


protocol = {"redis": Redis, "memcached": Memcached}[protocol]()


class Client:
    def __init__(self, number):
        self.number, self.model, self.longest, self.expected, self.got = number, {}, 0.0, b"", b""
        self.socket = socket.create_connection((address, port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fail(self, text):
        sys.exit(f"seed {seed}, connection {self.number} after {answers} answers: {text}")

    def choose(self):
        key = f"k{self.number}:{chance.randrange(8)}".encode()
        old = self.model.get(key)
        kind = chance.randrange(4)
        if kind == 0:
            self.model[key] = value = chance.randbytes(chance.choice((3, 30, 300, 3000, 30000)))
            return protocol.set(key, value)
        if kind == 1:
            return protocol.get(key, old)
        if kind == 2 and len(old or b"") < 60000:
            tail = chance.randbytes(17)
            self.model[key] = (old or b"") + tail
            return protocol.append(key, tail, old)
        counter = key + b"n"
        self.model[counter] = self.model.get(counter, 0) + 1
        return protocol.add(counter, self.model[counter])

    def ask(self):
        request, self.expected = self.choose()
        self.got, self.begun = b"", time.monotonic()
        self.socket.setblocking(True)
        self.socket.sendall(request)
        self.socket.setblocking(False)

    def hear(self):
        """Whether the whole answer is there."""
        global answers, last, longest_silence
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError as error:
            self.fail(str(error))
        if not data:
            self.fail("the connection ended")
        self.got += data
        if not self.expected.startswith(self.got):
            self.fail(f"the answer is {self.got[:100]}…, not {self.expected[:100]}…")
        if self.got != self.expected:
            return False
        now = time.monotonic()
        self.longest = max(self.longest, now - self.begun)
        longest_silence = max(longest_silence, now - last)
        answers, last = answers + 1, now
        if answers % 1000 == 0:
            print(answers, flush=True)
        return True


idle = [Client(-1 - i) for i in range(idle_count)]
clients = [Client(i) for i in range(count)]
print("connected", flush=True)
for client in clients:
    selector.register(client.socket, selectors.EVENT_READ, client)
    client.ask()
while answers < requests:
    ready = selector.select(20)
    if not ready:
        sys.exit(f"seed {seed}: no answer for 20 s after {answers} answers")
    for key, _ in ready:
        if key.data.hear():
            key.data.ask()
    if any(time.monotonic() - client.begun > 20 for client in clients):
        sys.exit(f"seed {seed}: a connection has had no answer for 20 s after {answers} answers")
for client in idle:
    try:
        client.socket.sendall(protocol.ping[0])
        if client.socket.recv(100) != protocol.ping[1]:
            client.fail("an idle connection's answer is wrong")
    except OSError as error:
        client.fail(f"idle: {error}")
print(
    f"{answers} right answers; at most {longest_silence * 1000:.0f} ms without any,"
    f" {max(client.longest for client in clients) * 1000:.0f} ms for one")
