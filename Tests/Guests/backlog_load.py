"""backlog_load.py ADDRESS PORT CLIENTS: one connection, and so many others that its server does not accept before it is told to, at the
end of the input. Every third has said all by then, every third says more only afterwards, every third has not begun."""
import socket
import sys
import threading

address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
failures = []
begun = threading.Barrier(count + 1)
told = threading.Event()


def talk(number):
    text = bytes((number + i) & 255 for i in range(997)) * (1 if number % 2 else 3000)
    with socket.create_connection((address, port), timeout=60) as connection:
        own = "{} {}".format(*connection.getsockname())
        if number % 3 == 0:
            # What does not fit into both kernels' buffers follows when somebody reads.
            connection.setblocking(False)
            sent = connection.send(text)
            connection.settimeout(60)
        elif number % 3 == 1:
            sent = connection.send(text[:10])
        else:
            sent = 0
        if sent == len(text):
            connection.shutdown(socket.SHUT_WR)
        begun.wait()
        told.wait()
        if sent < len(text):
            connection.sendall(text[sent:])
            connection.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := connection.recv(1 << 20):
            heard += piece
        if heard != f"{own} {own}\n".encode() + text:
            failures.append(f"connection {number} of {own}: {len(heard)} bytes, {heard[:60]}")


def run(number):
    try:
        talk(number)
    except Exception as error:
        failures.append(f"connection {number}: {error}")
        begun.abort()


first = socket.create_connection((address, port), timeout=60)
first.recv(1)
threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
for thread in threads:
    thread.start()
try:
    begun.wait()
    print("connected", flush=True)
    sys.stdin.readline()
    first.sendall(b"!")
except threading.BrokenBarrierError:
    pass
told.set()
for thread in threads:
    thread.join()
if failures:
    sys.exit("\n".join(failures))
print("all is right")
