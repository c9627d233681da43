"""The client of turns_server.c: turns_load.py ADDRESS PORT CONNECTIONS BYTES [crash].

Each connection asks for answers of random lengths until it has had so many bytes, now and then anew; every byte and every end is checked.
Prints a line for each mebibyte. With `crash` the server dies at the end, and all that it sent before must have come."""
import random
import socket
import sys
import threading

address, port, count, size = sys.argv[1], *map(int, sys.argv[2:5])
PIECE = 251 * 400
pattern = bytes(i % 251 for i in range(2 * PIECE))
failures, lock, moved = [], threading.Lock(), 0


def note(length):
    global moved
    with lock:
        before, moved = moved >> 20, moved + length
        if moved >> 20 != before:
            print(moved >> 20, "MiB", flush=True)


def expect(stream, at, length):
    begun, end = at, at + length
    while at < end:
        try:
            data = stream.recv(min(PIECE, end - at))
        except ConnectionResetError as error:
            if at == begun:
                raise
            raise OSError(f"reset after {at} bytes") from error
        if not data:
            raise OSError(f"ended after {at} bytes")
        if data != pattern[at % 251:at % 251 + len(data)]:
            raise OSError(f"wrong bytes after {at}")
        at += len(data)
        note(len(data))
    return at


def one_connection(draw):
    """Bytes that came; 0 when the connection was refused, or reset before the first, for the dead primary's program may not have known of it."""
    at = 0
    try:
        with socket.create_connection((address, port), timeout=30) as stream:
            for _ in range(draw.randrange(1, 40)):
                length = draw.choice([1, 10, 1000, 20_000, 300_000])
                stream.sendall(b"%d\n" % length)
                at = expect(stream, at, length)
            stream.sendall(b"end\n")
            if stream.recv(1):
                raise OSError("bytes after the end")
    except (ConnectionRefusedError, ConnectionResetError):
        if at:
            raise
    return at


def run(number):
    draw = random.Random(number)
    try:
        got = 0
        while got < size:
            got += one_connection(draw)
    except OSError as error:
        failures.append(f"connection {number}: {error!r}")


threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if len(sys.argv) > 5 and not failures:
    with socket.create_connection((address, port), timeout=30) as stream:
        stream.sendall(b"crash 5000\n")
        try:
            expect(stream, 0, 5000)
        except OSError as error:
            failures.append(f"the crash: {error!r}")
        try:
            if stream.recv(1):
                failures.append("bytes after the crash")
        except ConnectionResetError:
            pass  # an end as good as any
        except OSError as error:
            failures.append(f"no end after the crash: {error!r}")
for failure in failures:
    print(failure, file=sys.stderr)
sys.exit(1 if failures else 0)
