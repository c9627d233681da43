"""memcached_load.py PORT CLIENTS COUNT: writes and reads as many values over as many connections."""
import socket
import sys
import threading

port, clients, count = map(int, sys.argv[1:])
failures = []


def work(number):
    stream = socket.create_connection(("127.0.0.1", port)).makefile("rwb")
    for i in range(count):
        key, value = b"key%d_%d" % (number, i % 50), b"value %d " % i * 10
        stream.write(b"set %s 0 0 %d\r\n%s\r\nget %s\r\n" % (key, len(value), value, key))
        stream.flush()
        answer = [stream.readline() for _ in range(4)]
        if answer[0] != b"STORED\r\n" or answer[2] != value + b"\r\n":
            failures.append(answer)
            return


threads = [threading.Thread(target=work, args=(i,)) for i in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if failures:
    sys.exit(f"memcached answered {failures[0]}")
