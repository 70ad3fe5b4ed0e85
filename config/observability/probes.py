"""Questions to what the service stands on, each on a thread of its own: one without an answer holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from django.db import connections

T = TypeVar("T")

PATIENCE = 1.0  # seconds that whoever asks for the state of the service waits for each part, all of them at once
GIVEN_UP = 30.0  # seconds after which a question is asked again, though its thread still waits: the line may be dead

OK, DEGRADED, UNAVAILABLE = "ok", "degraded", "unavailable"


@dataclass(frozen=True)
class Part:
    """How it stands with something that the service needs. `latency_ms` is None where nothing is asked directly."""

    status: str = OK
    detail: str = ""
    latency_ms: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Probe(Generic[T]):
    """A question that is asked once at a time, whoever wants to know: those who come meanwhile share the answer."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None
        self._began = 0.0

    def begin(self) -> Future[T]:
        with self._lock:
            now = time.monotonic()
            if self._answer is None or self._answer.done() or now > self._began + GIVEN_UP:
                self._answer, self._began = Future(), now
                threading.Thread(target=self._run, args=[self._answer], name="probe", daemon=True).start()
            return self._answer

    def _run(self, answer: Future[T]) -> None:
        try:
            found = self._ask()
        except BaseException as error:  # whoever waits for the answer raises it
            answer.set_exception(error)
        else:
            answer.set_result(found)
        finally:
            connections.close_all()  # to the pool


def answers(probes: Iterable[Probe[T]], *, patience: float = PATIENCE) -> list[T | None]:
    """What each of them answers, all asked at once; None for one that did not within so many seconds."""
    begun = [probe.begin() for probe in probes]
    ends = time.monotonic() + patience
    found: list[T | None] = []
    for answer in begun:
        try:
            found.append(answer.result(max(0.0, ends - time.monotonic())))
        except NoAnswer:
            found.append(None)
    return found
