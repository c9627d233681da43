"""Tries to send from an address of this machine, again and again, and prints every IPv4 or ARP packet with this source that leaves by an
interface: sniff.py INTERFACE ADDRESS PEER."""
import signal
import socket
import sys
import time

device, address, peer = sys.argv[1:]
source = socket.inet_aton(address)
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
packets.bind((device, 0))
packets.settimeout(0.02)
voice = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
voice.bind((address, 0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("watching", flush=True)
said = 0.0
while True:
    if time.monotonic() - said > 0.05:
        said = time.monotonic()
        try:
            voice.sendto(b"is this heard?", (peer, 9))
        except OSError:  # nobody listens there, or the kernel says that it dropped it
            pass
    try:
        packet, place = packets.recvfrom(2048)
    except TimeoutError:
        continue
    if place[2] != socket.PACKET_OUTGOING:
        continue
    kind = packet[12:14]
    if kind == b"\x08\x00" and packet[26:30] == source or kind == b"\x08\x06" and packet[28:32] == source:
        print("sent", packet.hex(), flush=True)
