"""Where lines are written: on standard error, whole, and without one thread waiting for another."""

from __future__ import annotations

import logging
import threading
from collections import deque

AT_ONCE = 4_096  # bytes that a pipe takes as a whole, whoever else writes into it


class Console(logging.StreamHandler):  # type: ignore[type-arg]
    """Whoever finds nobody writing writes, and takes along what others leave there meanwhile.

    With the lock of `logging`, threads queued for each other's lines, and four often answered more slowly than one.
    Nothing is left behind: whoever stops writing looks once more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[str] = deque()
        self._writing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        if not self.filter(record):
            return False
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.append(f"{self.format(record)}\n")
            while self._waiting and self._writing.acquire(blocking=False):
                try:
                    self.stream.write(self._taken())
                    self.flush()
                finally:
                    self._writing.release()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        self.stream.flush()

    def _taken(self) -> str:
        lines: list[str] = []
        size = 0
        while self._waiting:
            size += len(self._waiting[0].encode(errors="replace"))
            if lines and size > AT_ONCE:
                break
            lines.append(self._waiting.popleft())
        return "".join(lines)
