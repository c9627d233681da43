"""Fetches files over connections that are kept: http_load.py ADDRESS PORT DIRECTORY CONNECTIONS ANSWERS.

DIRECTORY has the same files; every answer is held against them. A connection that ends, is reset or is silent for 20 s is a failure.
Prints a line for every hundredth answer."""
import os
import random
import re
import selectors
import socket
import sys
import time

address, port, directory, count, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
files = {name: open(os.path.join(directory, name), "rb").read() for name in sorted(os.listdir(directory))}
selector = selectors.DefaultSelector()
answers = 0


class Client:
    def __init__(self, number):
        self.number = number
        self.socket = socket.create_connection((address, port), timeout=20)

    def fail(self, text):
        sys.exit(f"connection {self.number} after {answers} answers: {text}")

    def ask(self):
        self.name, self.got, self.begun = random.choice(list(files)), b"", time.monotonic()
        self.socket.setblocking(True)
        self.socket.sendall(f"GET /{self.name} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        self.socket.setblocking(False)

    def hear(self):
        """Whether the whole answer is there."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError as error:
            self.fail(str(error))
        if not data:
            self.fail(f"the connection ended within {self.name}")
        self.got += data
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            self.fail(head.decode())
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        if len(body) < length:
            return False
        if body != files[self.name]:
            self.fail(f"{self.name} is not right")
        return True


clients = [Client(number) for number in range(count)]
print("connected", flush=True)
for client in clients:
    selector.register(client.socket, selectors.EVENT_READ, client)
    client.ask()
while answers < wanted:
    if not selector.get_map():
        break
    for key, _ in selector.select(20):
        if key.data.hear():
            answers += 1
            if answers % 100 == 0:
                print(answers, flush=True)
            key.data.ask()
    if any(time.monotonic() - client.begun > 20 for client in clients):
        sys.exit(f"a connection has had no answer for 20 s after {answers} answers")
print(f"{answers} right answers")
