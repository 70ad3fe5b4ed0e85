"""What it costs to record events, and how fast the relay publishes them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from benchmarks import places
from config import embedded

ROUNDS, SECONDS = 12, 1.0  # with and without events in turn
WAITING = """
    SELECT (SELECT count(*) FROM events_pendingevent)
         + (SELECT count(*) FROM events_publication WHERE position > (SELECT published FROM events_relay))
"""


@dataclass
class Recording:
    """Seconds for a check-out and a return, one number for each round."""

    with_events: list[float] = field(default_factory=list)
    without: list[float] = field(default_factory=list)


def recording() -> Recording:
    """In a process of its own, where one function calls the other and nothing goes over HTTP."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.events"],
        cwd=embedded.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"Recording cannot be measured: {done.stderr}")
    return Recording(**json.loads(done.stdout))


def published_per_second(connection: psycopg.Connection) -> float:
    """How fast the relay, which is at work, publishes what waits. Its start does not count."""
    first = _waiting(connection)
    give_up = time.monotonic() + places.PATIENCE * 4
    while (begun_with := _waiting(connection)) == first and time.monotonic() < give_up:
        time.sleep(0.005)
    begun = time.monotonic()
    while (left := _waiting(connection)) and time.monotonic() < give_up:
        time.sleep(0.01)
    if left:
        raise RuntimeError("The relay does not publish what waits.")
    return begun_with / (time.monotonic() - begun)


def _waiting(connection: psycopg.Connection) -> int:
    row = connection.execute(WAITING).fetchone()
    assert row is not None
    return int(row[0])


# --- The process ---------------------------------------------------------------------------------------------


def main() -> None:
    import django

    django.setup()
    measured = Recording()
    pair()  # what is made once is made now
    for _ in range(ROUNDS):
        measured.with_events.append(pair())
        with nothing_recorded():
            measured.without.append(pair())
    print(json.dumps(measured.__dict__))


def pair() -> float:
    """Seconds for a check-out and a return, on average of a round."""
    from django.utils import timezone

    from benchmarks import library
    from circulation.services import Lent, check_out, return_copy
    from events.exceptions import DomainError

    done, begun = 0, time.monotonic()
    while time.monotonic() < begun + SECONDS:
        member, book = random.randint(1, library.MEMBERS), random.randint(1, library.BOOKS)
        try:
            lent = check_out(member_id=member, book_id=book, at=timezone.now())
        except DomainError:  # somebody has it from before
            continue
        assert isinstance(lent, Lent)
        return_copy(loan_id=lent.loan.pk, at=timezone.now())
        done += 1
    return (time.monotonic() - begun) / done


@contextmanager
def nothing_recorded() -> Iterator[None]:
    """Check-outs and returns that leave no event, and so no pending row."""
    from circulation import writing

    kept = writing._LEND, writing._TAKE_BACK
    writing._LEND, writing._TAKE_BACK = (
        statement[: statement.index("INSERT INTO events_event")] + "SELECT 0::bigint, loan.id FROM loan"
        for statement in kept
    )
    try:
        yield
    finally:
        writing._LEND, writing._TAKE_BACK = kept


if __name__ == "__main__":
    main()
