"""Prints every IPv4 or ARP packet that leaves by an interface with this source address: sniff.py INTERFACE ADDRESS."""
import signal
import socket
import sys

device, address = sys.argv[1], socket.inet_aton(sys.argv[2])
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
packets.bind((device, 0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("watching", flush=True)
while True:
    packet, place = packets.recvfrom(2048)
    if place[2] != socket.PACKET_OUTGOING:
        continue
    kind = packet[12:14]
    if kind == b"\x08\x00" and packet[26:30] == address or kind == b"\x08\x06" and packet[28:32] == address:
        print(packet.hex(), flush=True)
