"""Wakes a worker, stops the Valkey that carries it, wakes a hundred more. Says how many seconds the first of them took
after that, and all the others."""

import os
import signal
import sys
import time

import django

django.setup()

from circulation.tasks import serve_lines  # noqa: E402
from events.waking import wake  # noqa: E402

wake(serve_lines)
os.kill(int(sys.argv[1]), signal.SIGSTOP)
try:
    times = [time.monotonic()]
    for _ in range(101):
        wake(serve_lines)
        times.append(time.monotonic())
finally:
    os.kill(int(sys.argv[1]), signal.SIGCONT)
print(times[1] - times[0], times[-1] - times[1])
