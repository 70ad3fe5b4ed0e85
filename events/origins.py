"""Where what is being done comes from: a request, a command or a task. Known to whoever records it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Whoever asked, as far as is known. Outside requests there is only a source."""

    actor_id: int | None = None  # the account
    key_id: int | None = None  # the API key that it came with
    address: str | None = None  # of the client
    request_id: str | None = None
    source: str | None = None  # such as "manage.py housekeep", or the name of a task


NOWHERE = Origin()
_origin: ContextVar[Callable[[], Origin]] = ContextVar("origin")


@contextmanager
def coming_from(asked: Callable[[], Origin]) -> Iterator[None]:
    """Whatever is recorded inside comes from there. Asked only then: most requests record nothing."""
    token = _origin.set(asked)
    try:
        yield
    finally:
        _origin.reset(token)


@contextmanager
def done_by(source: str) -> Iterator[None]:
    """Whatever is recorded inside is done by this command or task, and asked for by nobody else."""
    known = Origin(source=source[:100])
    with coming_from(lambda: known):
        yield


def origin() -> Origin:
    asked = _origin.get(None)
    return NOWHERE if asked is None else asked()
