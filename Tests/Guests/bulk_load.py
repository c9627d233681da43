"""The client of bulk_server.c: bulk_load.py ADDRESS PORT CONNECTIONS BYTES [KIND].

As many connections of each kind (up, down, both) as possible, or all of one; every byte is checked, and so is the end. Prints a line
for every mebibyte that has gone or come, and at the end how many seconds all of it took."""
import socket
import sys
import threading
import time

address, port, count, size = sys.argv[1], *map(int, sys.argv[2:5])
kinds = sys.argv[5:] or ["up", "down", "both"]
PIECE = 251 * 200
pattern = bytes(i % 251 for i in range(2 * PIECE))
capitals = bytes(byte ^ 0x20 for byte in pattern)
failures, lock, moved = [], threading.Lock(), 0


def note(length):
    global moved
    with lock:
        before, moved = moved >> 20, moved + length
        if moved >> 20 != before:
            print(moved >> 20, "MiB", flush=True)


def send(stream):
    at = 0
    while at < size:
        length = min(PIECE, size - at)
        stream.sendall(pattern[at % 251:at % 251 + length])
        at += length
        note(length)


def receive(stream, expected):
    at = 0
    while at < size:
        data = stream.recv(PIECE)
        if not data:
            raise OSError(f"ended after {at} of {size} bytes")
        if data != expected[at % 251:at % 251 + len(data)]:
            raise OSError(f"wrong bytes after {at}")
        at += len(data)
        note(len(data))


def expect_end(stream):
    if stream.recv(1) != b"":
        raise OSError("bytes after the end")


def work(number):
    kind = kinds[number % len(kinds)]
    try:
        stream = socket.create_connection((address, port))
        stream.settimeout(30)
        stream.sendall(f"{kind} {size}\n".encode())
        if kind == "up":
            send(stream)
            answer = stream.makefile("rb").readline()
            whole, rest = divmod(size, 251)
            if answer != b"%d right\n" % (whole * sum(range(251)) + sum(range(rest))):
                raise OSError(f"the server has {answer}")
        elif kind == "down":
            receive(stream, pattern)
        else:
            sender = threading.Thread(target=send, args=(stream,))
            sender.start()
            receive(stream, capitals)
            sender.join()
        expect_end(stream)
        stream.close()
    except OSError as error:
        failures.append(f"connection {number}, {kind}: {error}")


begin = time.monotonic()
threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    sys.exit("\n".join(failures))
print("all bytes are right")
print("seconds", time.monotonic() - begin)
