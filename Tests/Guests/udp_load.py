"""The client of udp_server.c: udp_load.py ADDRESS PORT REQUESTS.

Asks again after 50 ms, and holds every answer against its own count and sum. Prints a line for every hundredth answer and, at the
end, the longest time without one."""
import socket
import sys
import time

address, port, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.05)
total, longest, again = 0, 0.0, 0


def ask(number, word):
    global longest, again
    begun = time.monotonic()
    request = f"r{number} {word}".encode()
    while True:
        client.sendto(request, (address, port))
        try:
            while True:
                answer = client.recv(512).decode().split()
                if answer[0] == f"r{number}":  # not an answer that was asked for twice
                    longest = max(longest, time.monotonic() - begun)
                    return answer[1:]
        except OSError:  # no answer yet, or nobody at that port
            again += 1
            if time.monotonic() - begun > 30:
                sys.exit(f"no answer to request {number} for 30 s")


for number in range(1, requests + 1):
    total += number
    answer = ask(number, number)
    if answer != [str(number), str(total)]:
        sys.exit(f"request {number}: the answer is {answer}, not {number} {total}")
    if number % 100 == 0:
        print(number, flush=True)
if ask(requests + 1, "quit") != [str(requests + 1), str(total)]:
    sys.exit("the end was answered wrong")
print(f"{requests} right answers, {again} asked again, at most {longest * 1000:.1f} ms without one")
