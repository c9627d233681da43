"""Connections of bulk_server.c in states in which a server seldom dies: edge_load.py KIND ADDRESS PORT CONNECTIONS BYTES.

    unread    the server sends, nobody reads: the window is shut
    left      the server sends and closes at once; nobody has read
    half      the client has ended its direction, the server still sends
    early     the server has ended its direction, the client still sends
    wrap      both ways at once; the client's sequence numbers pass 2^32 in the middle

Prints "there" when all are in that state, goes on when a line comes on standard input, or at once with `wrap`, which says how many tenths
of all transfers are done, and checks every byte and the ends."""
import array
import fcntl
import itertools
import socket
import struct
import sys
import termios
import threading
import time

kind, address = sys.argv[1:3]
port, count, size = map(int, sys.argv[3:])
PIECE = 251 * 200
pattern = bytes(i % 251 for i in range(2 * PIECE))
capitals = bytes(byte ^ 0x20 for byte in pattern)
tenths = itertools.count(1)
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, SEND_QUEUE = 19, 20, 21, 2


def connect(first=None):
    """`first`: the sequence number of the first byte."""
    stream = socket.socket()
    stream.settimeout(30)
    if kind in ("unread", "left"):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    if first is not None:
        stream.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        stream.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
        stream.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, struct.pack("I", first - 1))
        stream.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
    stream.connect((address, port))
    return stream


def waiting(stream):
    """Bytes that have come and were not read."""
    number = array.array("i", [0])
    fcntl.ioctl(stream, termios.FIONREAD, number)
    return number[0]


def send(stream, begin, end):
    while begin < end:
        length = min(PIECE, end - begin)
        stream.sendall(pattern[begin % 251:begin % 251 + length])
        begin += length


def receive(stream, begin, end, expected=pattern):
    while begin < end:
        data = stream.recv(min(PIECE, end - begin))
        if not data:
            raise OSError(f"ended after {begin} of {end} bytes")
        if data != expected[begin % 251:begin % 251 + len(data)]:
            raise OSError(f"wrong bytes after {begin}")
        begin += len(data)


def expect_end(stream):
    if stream.recv(1) != b"":
        raise OSError("bytes after the end")


def prepare(stream):
    word = {"unread": "down", "left": "left", "half": "down", "early": "early", "wrap": "both"}[kind]
    stream.sendall(f"{word} {size}\n".encode())
    if kind == "half":
        stream.shutdown(socket.SHUT_WR)
        receive(stream, 0, size // 2)
    if kind == "early":
        expect_end(stream)
        send(stream, 0, size // 2)


def finish(stream):
    if kind in ("unread", "left"):
        receive(stream, 0, size)
    if kind == "half":
        receive(stream, size // 2, size)
    if kind == "early":
        send(stream, size // 2, size)
        stream.shutdown(socket.SHUT_WR)
        return stream.close()
    if kind == "wrap":
        sender = threading.Thread(target=send, args=(stream, 0, size))
        sender.start()
        for tenth in range(10):
            receive(stream, tenth * size // 10, (tenth + 1) * size // 10, capitals)
            print(next(tenths), "tenths", flush=True)
        sender.join()
    expect_end(stream)
    stream.close()


streams = [connect((1 << 32) - size // 2 if kind == "wrap" else None) for _ in range(count)]
for stream in streams:
    prepare(stream)
if kind in ("unread", "left"):
    before = None
    while before != (now := [waiting(stream) for stream in streams]) or not all(now):
        before = now
        time.sleep(0.3)
print("there", flush=True)
failures = []


def work(number):
    try:
        finish(streams[number])
    except OSError as error:
        failures.append(f"connection {number}, {kind}: {error}")


threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
if kind != "wrap":
    sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    sys.exit("\n".join(failures))
print("all bytes are right")
