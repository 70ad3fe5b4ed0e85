"""Directories for files while a job is done. What a killed worker left, the next job on its machine removes."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

PREFIX = "circdesk-job-"
NEW = 10  # seconds in which a directory may not be locked yet


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory until the end of the block, locked for as long as this process lives."""
    _remove_abandoned()
    with TemporaryDirectory(prefix=PREFIX) as name:
        directory = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(directory)


def _remove_abandoned() -> None:
    for path in Path(gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or removed by somebody else just now
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                found = os.fstat(directory)
                if found.st_uid == os.getuid() and time.time() - found.st_mtime > NEW:
                    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
            finally:
                os.close(directory)
