"""backlog_server.py LISTENER PORT CLIENTS: accepts one connection, and when that says something so many others.

Each says all that it has to say, and ends; it is answered with its own address, as accept and as getpeername have it, and with what it
said. LISTENER: 0.0.0.0, :: for both protocols, or deferred, which is the first, but a connection is accepted when its first byte has
come."""
import socket
import sys

name, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if name == "::":
    listener = socket.create_server((name, port), family=socket.AF_INET6, dualstack_ipv6=True)
else:
    listener = socket.create_server(("0.0.0.0", port))
first, _ = listener.accept()
if name == "deferred":
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
first.sendall(b"!")
print("begun", flush=True)
first.recv(1)
for connection, address in [listener.accept() for _ in range(count)]:
    said = b""
    while piece := connection.recv(1 << 20):
        said += piece
    hosts = [a[0].removeprefix("::ffff:") for a in (address, connection.getpeername())]
    connection.sendall(f"{hosts[0]} {address[1]} {hosts[1]} {connection.getpeername()[1]}\n".encode() + said)
    connection.close()
print(count, "clients", flush=True)
sys.exit(3)  # so that it is not taken for one that did nothing
