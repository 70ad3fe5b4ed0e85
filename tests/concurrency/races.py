"""Races: calls released at once, each on a thread with a connection of its own; and the same without row locks."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db import connection

from events.exceptions import DomainError

DESKS = 40  # connections at once; calls beyond that number follow as desks come free
PAUSE = 0.05  # seconds between what was read and what is written, where locks are removed

_WRITE = re.compile(r"\s*(WITH \w+ AS \(\s*)?(INSERT|UPDATE|DELETE)\b")
_ROW_LOCK = re.compile(r"FOR NO KEY UPDATE( OF [\w\"]+(, [\w\"]+)*)?( SKIP LOCKED)?")


@dataclass(frozen=True)
class Outcomes:
    """What became of each call, in the order of the calls: its result, or the error that it raised."""

    all: list[Any]

    @property
    def done(self) -> list[Any]:
        """The results of the calls that succeeded."""
        return [outcome for outcome in self.all if not isinstance(outcome, Exception)]

    @property
    def refused(self) -> Counter[str]:
        """How many calls were refused, by the code of the first reason."""
        return Counter(outcome.code for outcome in self.all if isinstance(outcome, DomainError))

    @property
    def errors(self) -> list[Exception]:
        """What went wrong that is no refusal."""
        return [o for o in self.all if isinstance(o, Exception) and not isinstance(o, DomainError)]


def race(calls: Iterable[Callable[[], Any]], *, around: Callable[..., Any] | None = None) -> Outcomes:
    """Make the calls at once. `around` sees every statement (Django's execute wrapper).

    Errors that are no refusals are raised, unless `around` tampers with the statements.
    """
    waiting = deque(enumerate(calls))
    outcomes: list[Any] = [None] * len(waiting)
    desks = min(len(waiting), DESKS)
    start = threading.Barrier(desks)

    def desk() -> None:
        try:
            with ExitStack() as stack:
                connection.ensure_connection()
                if around:
                    stack.enter_context(connection.execute_wrapper(around))
                start.wait(30)
                while waiting:
                    try:
                        number, call = waiting.popleft()
                    except IndexError:
                        return
                    try:
                        outcomes[number] = call()
                    except Exception as error:
                        outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=desk) for _ in range(desks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = Outcomes(outcomes)
    if result.errors and not around:
        raise ExceptionGroup("errors that are no refusals", result.errors)
    return result


def without_row_locks(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """The control of a race: nobody waits for anybody's rows, and everybody thinks before writing."""
    if _WRITE.match(sql):
        time.sleep(PAUSE)
    return execute(unlocked(sql), *rest)


def unlocked(sql: str) -> str:
    """The statement, without its row locks."""
    return _ROW_LOCK.sub("", sql)
