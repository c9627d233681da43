"""Whose address is it? Prints, of all packets that come with this IPv4 source or as ARP from it, the sender's Ethernet address whenever it
is another than before: voices.py INTERFACE ADDRESS. On SIGTERM, how many packets there were."""
import signal
import socket
import sys

device, address = sys.argv[1:]
source = socket.inet_aton(address)
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
packets.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
packets.bind((device, 0))
last, count = None, 0


def end(*_):
    print(count, "packets", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
print("listening", flush=True)
while True:
    packet, place = packets.recvfrom(64)
    kind = packet[12:14]
    if place[2] == socket.PACKET_OUTGOING:
        continue
    if kind == b"\x08\x00" and packet[26:30] == source or kind == b"\x08\x06" and packet[28:32] == source:
        count += 1
        if packet[6:12] != last:
            last = packet[6:12]
            print("voice", last.hex(":"), flush=True)
