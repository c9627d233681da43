"""half_load.py ADDRESS PORT: reads nothing until it is told to, and then to the end, which so comes late; answers how much it was."""
import socket
import sys

with socket.socket() as connection:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((sys.argv[1], int(sys.argv[2])))
    print("connected", flush=True)
    sys.stdin.readline()
    connection.settimeout(30)
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
    connection.sendall(b"%d bytes" % len(received))
    sys.exit(received != bytes(range(250)) * 180)
