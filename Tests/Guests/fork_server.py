"""fork_server.py ADDRESS PORT CLIENTS: a process for each connection, which its parent accepts and closes.

Each line that a process is sent is answered with its number and itself. Some processes close their connection, some only end. Ends when
so many clients have come and gone."""
import os
import signal
import socket
import sys

address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.create_server((address, port), backlog=64)
children = set()


def serve(connection, number):
    file = connection.makefile("rwb")
    for line_number, line in enumerate(file):
        file.write(b"%d %s" % (line_number, line))
        file.flush()
    if number % 2:
        file.close()
        connection.close()
    os._exit(0)


def reap(flags):
    while children:
        pid, _ = os.waitpid(-1, flags)
        if pid == 0:
            return
        children.remove(pid)


for number in range(count):
    connection, _ = listener.accept()
    pid = os.fork()
    if pid == 0:
        listener.close()
        serve(connection, number)
    children.add(pid)
    connection.close()
    reap(os.WNOHANG)
reap(0)
# What it was started with, also where another kernel serves it by now.
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines())
print(count, "clients, no new privileges:", status["NoNewPrivs"], flush=True)
sys.exit(3)  # so that it is not taken for one that did nothing
