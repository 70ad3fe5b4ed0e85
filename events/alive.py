"""That a process which answers nobody is at work: a file that it touches, for the health check of its container."""

from pathlib import Path

from django.conf import settings


def still_alive() -> None:
    """Said at every round of work, also of one that fails: without its database a process waits, and need not end.

    Costs a few microseconds; without ALIVE_FILE nothing.
    """
    if settings.ALIVE_FILE:
        Path(settings.ALIVE_FILE).touch()
