"""Fetches files, each over a connection of its own: connect_load.py ADDRESS PORT DIRECTORY THREADS ANSWERS.

Each thread has eight ports and uses them again and again. DIRECTORY has the same files; every answer is held against them. A connection that is refused, reset, ends early or is silent for 20 s is a
failure. Prints a line for every hundredth answer."""
import errno
import os
import random
import socket
import sys
import threading
import time

address, port, directory, count, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
files = {name: open(os.path.join(directory, name), "rb").read() for name in sorted(os.listdir(directory))}
lock = threading.Lock()
answers = 0


def connect(ports):
    deadline = time.monotonic() + 20
    while True:
        connection = socket.socket()
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            connection.bind(("", random.choice(ports)))
            connection.connect((address, port))
            return connection
        except OSError as error:
            connection.close()
            has_not_ended = error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)  # the last one from that port
            if not has_not_ended or time.monotonic() > deadline:
                raise


def fetch(name, ports):
    with connect(ports) as connection:
        connection.sendall(f"GET /{name} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := connection.recv(1 << 20):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 ") or body != files[name]:
        raise ValueError(f"{name} is not right: {len(body)} bytes, {head[:100]}")


def work(number):
    global answers
    ports = range(20_000 + 8 * number, 20_008 + 8 * number)
    while answers < wanted:
        name = random.choice(list(files))
        try:
            fetch(name, ports)
        except Exception as error:
            print(f"{name}, after {answers} answers: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        with lock:
            answers += 1
            if answers % 100 == 0:
                print(answers, flush=True)


threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
print("connected", flush=True)
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(f"{answers} right answers")
