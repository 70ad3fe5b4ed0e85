"""Workers between a stream of events and a desk, and a tally of what became of them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from circulation.simulation.desk import Acknowledged, Desk, Event, Outcome
from circulation.simulation.findings import Finding, broken_ones
from circulation.simulation.stream import Stream


@dataclass
class Tally:
    """What happened, by kind and outcome."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[Acknowledged] = field(default_factory=Counter)
    placed_at: dict[int, datetime] = field(default_factory=dict)  # of each reservation, as the desk told
    done: int = 0

    def count(self, event: Event, outcome: Outcome) -> None:
        result = "refused" if outcome.is_refused else outcome.result
        self.outcomes.setdefault(event.kind, Counter())[result] += 1
        if outcome.is_refused:
            self.refusals[outcome.result] += 1
        self.acknowledged.update(outcome.acknowledged)
        if outcome.result == "joined" and outcome.place is not None:
            self.placed_at[outcome.place.id] = outcome.place.placed_at
        self.done += 1


@dataclass(frozen=True)
class Defect:
    """An event at which the desk failed, rather than refused."""

    event: Event
    error: Exception


@dataclass
class Run:
    """One pass of a stream over a desk. `check` is asked now and then, while nothing else happens."""

    stream: Stream
    desk: Desk
    workers: int
    check: Callable[[Tally], Sequence[Finding]] | None = None
    check_after: Callable[[int], bool] = lambda number: False
    progress: Callable[[], object] = lambda: None
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    defect: Defect | None = None
    failure: Exception | None = None
    # The events since the last check that found nothing; and what a check found that ended the run.
    suspects: list[Event] = field(default_factory=list)
    findings: Sequence[Finding] = ()

    def go(self) -> None:
        """Until there were enough events, a defect or a finding. After an interrupt, workers finish their event."""
        turn, stop = threading.Lock(), threading.Event()
        threads = [
            threading.Thread(target=self._work, args=[turn, stop], name=f"desk {number}")
            for number in range(1, self.workers + 1)
        ]
        begun = time.perf_counter()
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)  # without an end, Ctrl-C would wait for it, too
        finally:
            stop.set()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self.seconds += time.perf_counter() - begun
        if self.failure is not None:
            raise self.failure

    def _work(self, turn: threading.Lock, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                with turn:
                    event = self.stream.take()
                if event is None:
                    return
                try:
                    outcome = self.desk.perform(event)
                except Exception as error:
                    self.defect = self.defect or Defect(event, error)
                    stop.set()
                    return
                with turn:
                    self.tally.count(event, outcome)
                    self.stream.heard(event, outcome)
                    self.progress()
                if self.workers == 1 and self._is_broken_after(event):
                    stop.set()
        except Exception as error:  # of the simulation itself, or of a check
            self.failure = error
            stop.set()
        finally:
            self.desk.leave()

    def _is_broken_after(self, event: Event) -> bool:
        self.suspects.append(event)
        if self.check is None or not self.check_after(event.number):
            return False
        begun = time.perf_counter()
        findings = self.check(self.tally)
        self.seconds -= time.perf_counter() - begun
        if not broken_ones(findings):
            self.suspects.clear()
            return False
        self.findings = findings
        return True
