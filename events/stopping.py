"""The end of processes that run until they are told to stop."""

import signal
import threading
from types import FrameType


def when_told_to_stop() -> threading.Event:
    """Set by Ctrl-C and by `kill`, so that what is in hand is finished first."""
    stop = threading.Event()

    def set_it(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, set_it)
    return stop
