"""Where each process of a web server keeps its counts, so that each of them can tell those of all.

prometheus-client has every process write files of its own and adds up what stands in all. Counts must not go down, so
the files of a process stay when it ends; and with their numbers for names, as usual, there would be more with every
restart, and values of processes that are gone. Here a process takes the first place that no living one has, and goes on
counting where the one before it stopped.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from pathlib import Path

_LIVE = "gauge_live*_{}.db"  # what is true of a process while it lives, by prometheus-client's names


class Places:
    """The places of one directory. Calling it gives the one of this process: a number, as text."""

    def __init__(self, directory: Path) -> None:
        """Raises OSError where there can be no such directory."""
        self.directory = directory
        self._process: int | None = None
        self._place = ""
        self._lock = -1
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def __call__(self) -> str:
        if self._process != os.getpid():  # at first, and after a fork, whose parent keeps its place
            self._take()
        return self._place

    def forget_the_dead(self) -> None:
        """Drop what was true of processes that are gone. What they counted stays."""
        for lock in self.directory.glob("*.lock"):
            if lock.stem != self._place and (taken := self._try(lock)) is not None:
                self._drop_live(lock.stem)
                os.close(taken)

    def _take(self) -> None:
        for number in itertools.count(1):
            taken = self._try(self.directory / f"{number}.lock")
            if taken is not None:
                if self._lock >= 0:
                    os.close(self._lock)  # the parent's
                self._process, self._place, self._lock = os.getpid(), str(number), taken
                self._drop_live(self._place)
                return

    def _drop_live(self, place: str) -> None:
        for left in self.directory.glob(_LIVE.format(place)):
            left.unlink(missing_ok=True)

    @staticmethod
    def _try(lock: Path) -> int | None:
        """The file, locked for as long as it is open; None if somebody has it."""
        opened = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(opened)
            return None
        return opened
