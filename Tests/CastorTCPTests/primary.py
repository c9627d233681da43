"""The server of the failover tests, to be killed: python3 primary.py ADDRESS PORT RATE.

The first four bytes of a connection are its number, which says what it does (number % 4):
0 reads; 1 writes, RATE bytes each 10 ms or, with 0, as many as it can; 2 and 3 answer each 100 bytes with 200.
What it writes are the bytes of Streams.swift's Pattern.
To standard output go records: u32 kind, u32 number, u64 bytes read, u64 bytes written; what they say happens afterwards.
After a record of kind 1 (a connection was accepted; 64 bytes of castor_tcp follow) and of kind 2 (a request) it waits for a byte from
standard input; kind 3 asks for nothing.
"""

import fcntl
import os
import select
import socket
import struct
import sys
import time

PERIOD = 65521
PATTERN = bytes((k * 2654435761 & 0xFFFFFFFF) >> 24 for k in range(PERIOD)) * 2
REPAIR, QUEUE, SEQUENCE, TIMESTAMP, INFO, SEGMENT = 19, 20, 21, 24, 11, 2
RATE = int(sys.argv[3])
PIECE = RATE or 16384


def number(connection, option):
    return struct.unpack("I", connection.getsockopt(socket.IPPROTO_TCP, option, 4))[0]


def read_out(connection):
    """castor_tcp, as the runtime reads it before the program has the connection."""

    def set(option, value):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)

    set(REPAIR, 1)
    set(QUEUE, 1)
    while True:
        end = number(connection, SEQUENCE)
        waiting = struct.unpack("i", fcntl.ioctl(connection, 0x541B, bytes(4)))[0]
        if number(connection, SEQUENCE) == end:
            break
    set(QUEUE, 2)
    sent, timestamp, segment = (number(connection, option) for option in (SEQUENCE, TIMESTAMP, SEGMENT))
    info = connection.getsockopt(socket.IPPROTO_TCP, INFO, 8)
    set(QUEUE, 0)
    set(REPAIR, -1)
    has_times, has_sack, has_scales = (info[5] >> bit & 1 for bit in range(3))
    local, peer = connection.getsockname(), connection.getpeername()
    return (
        bytes([socket.AF_INET, has_sack | has_times << 1 | has_scales << 2, info[6] & 15, info[6] >> 4])
        + struct.pack(">HH", local[1], peer[1])
        + socket.inet_aton(local[0]).ljust(16, b"\0")
        + socket.inet_aton(peer[0]).ljust(16, b"\0")
        + struct.pack("IIIIQ", segment, (end - waiting) & 0xFFFFFFFF, sent, timestamp, 0)
    )


class Connection:
    def __init__(self, connection):
        self.socket = connection
        self.tcp = read_out(connection)
        connection.setblocking(False)
        self.number = None
        self.hello = b""
        self.read = self.written = self.sent = 0
        self.next = 0.0

    def record(self, kind):
        os.write(1, struct.pack("IIQQ", kind, self.number, self.read, self.written) + (self.tcp if kind == 1 else b""))
        if kind < 3 and not os.read(0, 1):
            sys.exit()

    def readable(self):
        data = self.socket.recv(4 - self.read if self.read < 4 else 1 << 16)
        self.read += len(data)
        if self.number is None:
            self.hello += data
            if self.read < 4:
                return
            self.number = struct.unpack("I", self.hello)[0]
            self.record(1)
        elif self.number % 4 < 2:
            self.record(3)
        else:
            self.written = 200 * ((self.read - 4) // 100)
            self.record(2)
            self.send()

    def writable(self):
        if RATE and time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 0.01
        if self.sent == self.written:
            self.written += PIECE
            self.record(3)
        self.send()

    def send(self):
        while self.sent < self.written:
            start = (self.sent + self.number * 7919) % PERIOD
            self.sent += self.socket.send(PATTERN[start : start + min(self.written - self.sent, PERIOD)])


def main():
    listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=2048)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    connections = {}
    os.write(1, struct.pack("IIQQ", 0, 0, 0, 0))
    while True:
        for descriptor, events in poll.poll():
            if descriptor == listener.fileno():
                accepted = Connection(listener.accept()[0])
                connections[accepted.socket.fileno()] = accepted
                poll.register(accepted.socket, select.EPOLLIN)
                continue
            connection = connections[descriptor]
            try:
                if events & select.EPOLLIN:
                    connection.readable()
                if connection.number is not None and connection.number % 4 == 1:
                    poll.modify(descriptor, select.EPOLLIN | select.EPOLLOUT)
                    if events & select.EPOLLOUT:
                        connection.writable()
            except BlockingIOError:
                pass


main()
