"""Runs a command and says what it cost: usage.py FILE COMMAND...

FILE gets lines "NAME VALUE": `seconds` from the command's start to its end, and `cpu_seconds`, user and system, of the
command and of all that it started. Those count, too, that it did not wait for (castor leaves its agent to whoever comes):
this process takes them in. Their memory is not seen here; lib.sh looks at that while they run.

SIGTERM and SIGINT are passed on. The exit status is the command's, 128 plus the signal's number when one ended it.
"""
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def main(path, command):
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("usage.py: cannot take in orphans")
    start = time.monotonic()
    try:
        child = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        sys.exit(f"usage.py: {command[0]}: {error.strerror}")
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, lambda number, _: os.kill(child, number))
    cpu, seconds, code = 0.0, 0.0, 0
    while True:
        try:
            pid, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += used.ru_utime + used.ru_stime
        if pid == child:
            seconds, code = time.monotonic() - start, os.waitstatus_to_exitcode(status)
            for number in signal.SIGTERM, signal.SIGINT:
                signal.signal(number, signal.SIG_IGN)
    with open(path, "w") as file:
        file.write(f"seconds {seconds:.6f}\ncpu_seconds {cpu:.6f}\n")
    return code if code >= 0 else 128 - code


sys.exit(main(sys.argv[1], sys.argv[2:]))
