"""fork_load.py ADDRESS PORT CLIENTS LINES: so many connections, eight at a time; each sends lines, one after the other, and wants each
back with its number. Their server's end must come after the last."""
import itertools
import socket
import sys
import threading

address, port, clients, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
numbers, answers, failures = itertools.count(), itertools.count(1), []


def talk(number):
    with socket.create_connection((address, port), timeout=60) as connection:
        file = connection.makefile("rb")
        for line_number in range(lines):
            text = b"%d of %d %s\n" % (line_number, number, b"x" * (number * 37 % 2000))
            connection.sendall(text)
            answer = file.readline()
            if answer != b"%d %s" % (line_number, text):
                raise ValueError(f"line {line_number}: {answer[:60]}")
            count = next(answers)
            if count % 100 == 0:
                print(count, flush=True)
        connection.shutdown(socket.SHUT_WR)
        rest = connection.recv(100)
        if rest:
            raise ValueError(f"more than was asked for: {rest}")


def run():
    while not failures and (number := next(numbers)) < clients:
        try:
            talk(number)
        except Exception as error:
            failures.append(f"connection {number}: {error!r}")


threads = [threading.Thread(target=run) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    sys.exit("\n".join(failures))
print("all is right")
