"""A client of memcached over UDP that knows every answer: udp_kv_load.py ADDRESS PORT CLIENTS REQUESTS.

Each client has keys and a socket of its own and one request under way, which it asks again when no answer comes within 100 ms: so it
asks nothing that must not be done twice. Whatever was acknowledged must be there ever after. Prints a line for every thousand answers
and, at the end, the longest time in which nobody got one."""
import random
import selectors
import socket
import struct
import sys
import time

address, port, count, requests = sys.argv[1], *map(int, sys.argv[2:5])
seed = random.randrange(1 << 32)
chance = random.Random(seed)
selector = selectors.DefaultSelector()
answers, again, last, longest = 0, 0, time.monotonic(), 0.0


class Client:
    def __init__(self, number):
        self.number, self.model, self.id = number, {}, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((address, port))
        self.socket.setblocking(False)

    def choose(self):
        self.id = self.id % 65535 + 1
        self.begun = time.monotonic()
        key = b"k%d:%d" % (self.number, chance.randrange(8))
        if chance.randrange(2):
            value = self.model[key] = b"%d." % self.id + chance.randbytes(chance.choice((3, 30, 300, 1000))).hex().encode()[:1200]
            self.request, self.expected = b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n"
        else:
            value = self.model.get(key)
            self.request = b"get %s\r\n" % key
            self.expected = b"END\r\n" if value is None else b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)
        self.ask()

    def ask(self):
        self.asked = time.monotonic()
        try:
            self.socket.send(struct.pack(">HHHH", self.id, 0, 1, 0) + self.request)
        except OSError:  # nobody is there for the moment
            pass

    def hear(self):
        """Whether the answer is there."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            return False
        if len(data) < 8 or struct.unpack(">HHHH", data[:8])[0] != self.id:
            return False  # what was asked for twice
        if data[8:] != self.expected:
            sys.exit(f"seed {seed}, client {self.number} after {answers} answers: {data[8:108]}… instead of {self.expected[:100]}…")
        return True


clients = [Client(i) for i in range(count)]
for client in clients:
    selector.register(client.socket, selectors.EVENT_READ, client)
    client.choose()
while answers < requests:
    for key, _ in selector.select(0.02):
        while key.data.hear():
            now = time.monotonic()
            longest = max(longest, now - last)
            answers, last = answers + 1, now
            if answers % 1000 == 0:
                print(answers, flush=True)
            key.data.choose()
    now = time.monotonic()
    for client in clients:
        if now - client.begun > 30:
            sys.exit(f"seed {seed}, client {client.number} after {answers} answers: none for 30 s")
        if now - client.asked > 0.1:
            again += 1
            client.ask()
print(f"{answers} right answers, {again} asked again; at most {longest * 1000:.0f} ms without any")
