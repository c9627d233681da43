"""A mixture of what makes a Python program's run unique: python_mix.py DATAFILE [THREADS] [ITERATIONS]

Threads around a queue, random numbers, clocks, UUIDs, hash randomisation, object addresses, a server and a client on
loopback, and a data file that may vanish before the replay. Prints everything. Standard library only.
"""

import hashlib
import os
import queue
import random
import socket
import sys
import tempfile
import threading
import time
import uuid


def show_identity():
    print("pid", os.getpid(), "thread", threading.get_native_id(), "address", hex(id(object())))
    print("time", time.time(), time.monotonic_ns(), time.perf_counter_ns(), time.process_time_ns())
    print("local", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def show_random():
    print("random", random.random(), random.randrange(10**12), random.sample(range(100), 5))
    print("urandom", os.urandom(16).hex(), "system", random.SystemRandom().randrange(10**12))
    print("uuid4", uuid.uuid4(), "uuid1", uuid.uuid1())


def show_hashes():
    words = ["stream", "event", "ring", "epoch", "object", "version", "order", "agent", "log", "chunk"]
    print("hash", hash("castor"), "set", list(set(words)))
    numbered = {word: hash(word) % 97 for word in set(words)}
    print("dict", numbered)


def show_file(path):
    with open(path, "rb") as file:
        data = file.read()
    print("file", len(data), hashlib.sha256(data).hexdigest(), "modified", os.stat(path).st_mtime_ns)
    with tempfile.NamedTemporaryFile(mode="w+", prefix="castor-guest-") as scratch:
        scratch.write("scratch %d\n" % os.getpid())
        scratch.seek(0)
        print("scratch", scratch.name, scratch.read().strip())


def run_queue(thread_count, iterations):
    """Workers take numbers and report; who takes which number is decided by the interpreter's lock."""
    jobs, reports = queue.Queue(maxsize=4), queue.Queue()

    def work(index):
        taken = 0
        while True:
            try:
                job = jobs.get(timeout=0.001)
            except queue.Empty:
                reports.put((index, "idle"))
                continue
            if job is None:
                break
            taken += 1
            reports.put((index, job))
            if random.random() < 0.1:
                time.sleep(0.0005)
        reports.put((index, "took %d" % taken))

    workers = [threading.Thread(target=work, args=(index,)) for index in range(thread_count)]
    for worker in workers:
        worker.start()
    for job in range(iterations):
        jobs.put(job)
        if job % 50 == 49:
            time.sleep(0.002)
    for _ in workers:
        jobs.put(None)
    for worker in workers:
        worker.join()
    transcript = [reports.get() for _ in range(reports.qsize())]
    print("queue", " ".join("%s:%s" % report for report in transcript))


def run_sockets(iterations):
    """A server thread answers each line with its length and the time; the client prints what it got."""
    listener = socket.create_server(("127.0.0.1", 0))
    print("server on", listener.getsockname())

    def serve():
        connection, peer = listener.accept()
        print("client at", peer)
        with connection, connection.makefile("rw", newline="\n") as stream:
            for line in stream:
                stream.write("%d %d\n" % (len(line), time.monotonic_ns()))
                stream.flush()

    server = threading.Thread(target=serve)
    server.start()
    with socket.create_connection(listener.getsockname()) as connection:
        with connection.makefile("rw", newline="\n") as stream:
            for i in range(iterations):
                stream.write("x" * random.randrange(50) + "\n")
                stream.flush()
                print("answer", i, stream.readline().strip())
    server.join()
    listener.close()


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: python_mix.py DATAFILE [THREADS] [ITERATIONS]")
    thread_count = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    iterations = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    show_identity()
    show_random()
    show_hashes()
    show_file(sys.argv[1])
    run_queue(thread_count, iterations)
    run_sockets(min(iterations, 20))
    show_identity()


if __name__ == "__main__":
    main()
