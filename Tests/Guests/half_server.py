"""half_server.py ADDRESS PORT: one connection, to which it sends 45 kB and no more; then it reads until the client's end."""
import socket
import sys

with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
    connection, _ = listener.accept()
    connection.sendall(bytes(range(250)) * 180)
    connection.shutdown(socket.SHUT_WR)
    print("ended", flush=True)
    received = b""
    while piece := connection.recv(1 << 16):
        received += piece
print(received.decode(), flush=True)
sys.exit(3)  # so that it is not taken for one that did nothing
