"""Waiting for what another thread, process or server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 60.0  # after which something is wrong: not a time that anything may take


def until(find: Callable[[], T], otherwise: str | Callable[[], str] = "", *, seconds: float = SECONDS) -> T:
    """What is found, once that is true. Raises AssertionError, saying `otherwise`, if it never is."""
    give_up = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < give_up, otherwise() if callable(otherwise) else otherwise
        time.sleep(0.02)
    return found
