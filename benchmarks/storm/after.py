"""When the storm is over: waiting until all is calm, and looking at what is there."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg

from benchmarks import places
from benchmarks.storm.clients import look
from benchmarks.storm.histories import Found, Looked, Told
from benchmarks.storm.service import Service

CALM_WITHIN = 120.0  # seconds

_OPEN = """
SELECT (SELECT count(*) FROM events_pendingevent),
       (SELECT coalesce(sum(numbered - published), 0)::bigint FROM events_relay),
       (SELECT count(*) FROM events_consumer, events_relay WHERE position < published),
       (SELECT count(*) FROM notifications_notice WHERE state = 'queued')
"""
# What a killed worker was sending is held for it for two minutes: as if they were over.
_LET_GO = "UPDATE notifications_notice SET held_until = NULL, due_at = now() WHERE state = 'queued'"


def wait_for_calm(service: Service, connect: Callable[[], psycopg.Connection], say: Callable[[str], None]) -> None:
    """Until all is published, told and sent. Raises RuntimeError when that does not happen."""
    give_up, let_go_at = time.monotonic() + CALM_WITHIN, 0.0
    left: tuple[int, ...] | None = None
    while time.monotonic() < give_up:
        service.start_all()
        with connect() as connection:
            left = connection.execute(_OPEN).fetchone()
            if left is not None and not any(left):
                return
            if left is not None and left[3] and time.monotonic() > let_go_at:
                connection.execute(_LET_GO)
                let_go_at = time.monotonic() + 20
        say("pending {}, numbered {}, behind {}, mails {}".format(*(left or "????")))
        time.sleep(1)
    raise RuntimeError(f"The service does not come to rest: {left} of what is pending, numbered, behind, to be sent.")


def shown(service: Service, books: list[int], began: float) -> list[Looked]:
    """What each web server now shows of each title."""
    return [look(port, book, began) for port in service.ports for book in books]


def found(connection: psycopg.Connection, mails: list[str], looks: list[Looked]) -> Found:
    """All that the checker asks for."""
    events = connection.execute(
        # Of the library: what is about no title and nobody (a task's settings) concerns nobody outside.
        "SELECT id, kind, request_id, book_id, loan_id, reservation_id, payload ? 'undoes' FROM events_event "
        "WHERE book_id IS NOT NULL OR member_id IS NOT NULL ORDER BY id"
    ).fetchall()
    stored = connection.execute("SELECT key, status, body FROM events_storedanswer").fetchall()
    line = connection.execute("SELECT id, priority, placed_at FROM reservations_reservation").fetchall()
    positions = connection.execute("SELECT position, event_id FROM events_publication").fetchall()
    notices = connection.execute("SELECT message_id, state FROM notifications_notice").fetchall()
    ready = connection.execute("SELECT reservation_id FROM notifications_notice WHERE kind = 'ready'").fetchall()
    try:
        places.manage("check_invariants")
        broken = []
    except RuntimeError as error:
        broken = [text for line_ in str(error).splitlines() if "BROKEN" in (text := line_.strip()) or ": " in text]
    return Found(
        events=[Told(*row) for row in events],
        stored={key: (status, bytes(body).decode()) for key, status, body in stored},
        places={number: (priority, placed_at, number) for number, priority, placed_at in line},
        positions=[(position, event) for position, event in positions],
        notices=dict(notices),
        mails=list(mails),
        broken=broken,
        ready={number for (number,) in ready},
        looks=looks,
    )
