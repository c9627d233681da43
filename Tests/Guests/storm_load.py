"""Clients of Redis that come and go: storm_load.py ADDRESS PORT CLIENTS ANSWERS.

Each connects, counts a key up, hears the number, ends, and comes again. A connection that fails before any answer has come is a failed
one, as it may be while a server goes away; one that fails later, a number that comes twice, or nothing for 20 s is an error. Prints a
line for every hundredth answer and, at the end, what failed."""
import collections
import socket
import sys
import threading
import time

address = sys.argv[1]
port, count, wanted = map(int, sys.argv[2:])
lock, numbers, failed, errors = threading.Lock(), set(), collections.Counter(), []
longest = 0.0


def ask(stream):
    """The number, or nothing when the server was not there any more."""
    got = b""
    try:
        stream.connect((address, port))
        stream.sendall(b"INCR storm\r\n")
        while not got.endswith(b"\r\n"):
            data = stream.recv(100)
            if not data:
                raise ConnectionResetError("the connection ended")
            got += data
        stream.shutdown(socket.SHUT_WR)
        if stream.recv(1) != b"":
            raise OSError("bytes after the answer")
        return int(got[1:])
    except OSError as error:
        if got or isinstance(error, TimeoutError):
            raise OSError(f"after {got}: {error!r}") from error
        with lock:
            failed[str(error)] += 1


def work():
    global longest
    while len(numbers) < wanted and not errors:
        begun = time.monotonic()
        with socket.socket() as stream:
            stream.settimeout(20)
            try:
                number = ask(stream)
            except OSError as error:
                errors.append(str(error))
                return
        with lock:
            longest = max(longest, time.monotonic() - begun)
            if number in numbers:
                errors.append(f"{number} twice")
            if number is not None:
                numbers.add(number)
                if len(numbers) % 100 == 0:
                    print(len(numbers), flush=True)
        if number is None:
            time.sleep(0.01)


threads = [threading.Thread(target=work) for _ in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with socket.create_connection((address, port), timeout=20) as stream:
    stream.sendall(b"GET storm\r\n")
    total = int(stream.recv(100).split(b"\r\n")[1])
lost = sum(failed.values())
if not len(numbers) <= total <= len(numbers) + lost or max(numbers) > total:
    errors.append(f"the server counted {total}, {len(numbers)} answers came, up to {max(numbers)}, and {lost} failed")
if errors:
    sys.exit("\n".join(errors))
print(f"{len(numbers)} answers, {lost} failed {dict(failed)}, at most {longest * 1000:.0f} ms for one")
