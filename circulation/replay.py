"""Replaying a trace: what happened at a desk, event by event, through the services of ours.

A trace is a JSON list of `{"eventtype", "book_id", "member_id", "date"}`, in any order. It is replayed by day; within
a day check-outs and reservations come first, then returns, then fulfilments, and each of these in the file's order.
Every event takes place at noon UTC of its date, later by a microsecond for each event of that day before it, so that
lines keep the order of the trace.

A trace tells of loans that were made: loan and reservation limits, overdue loans and shelf expiry do not apply.
Whatever else the desk refuses is the outcome of that event, and the replay goes on.

History cannot be inserted before the present. For each title, events up to the time of its last event on record are
passed over. So another replay of the same trace changes nothing, an interrupted one can be run again and goes on
where it stopped, and a trace may be continued by later days.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from circulation.exceptions import NoCopyToFulfil, QueueEmpty
from circulation.imports.fields import HIGHEST_ID, Fields
from circulation.imports.formats import json_rows
from circulation.imports.formats.rows import FileError, Refused, Row, RowError
from circulation.imports.formats.source import Source
from circulation.models import CirculationEvent, Loan
from circulation.services import Queued, check_out, fulfil_head, return_copy
from events.exceptions import Busy, DomainError
from events.recording import retelling
from library.exceptions import Override, Refusal
from library.models import Book
from reservations.models import Reservation
from reservations.services import reserve
from reservations.serving import shelving_as_of

# Within a day; the rest is the file's order.
RANK = {"checkout": 0, "reserve": 0, "return": 1, "fulfill": 2}
YEARS = range(1800, 3000)  # beyond them, due dates might leave the calendar
OVERRIDE = Override(
    frozenset({"LOAN_LIMIT_REACHED", "RESERVATION_LIMIT_REACHED", "MEMBER_HAS_OVERDUE"}), "trace replay"
)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LOCK = 0x7265706C6179  # of PostgreSQL's advisory locks; any number that nobody else uses


@dataclass(frozen=True)
class TraceEvent:
    """One event of a trace. A fulfilment names no member: it is for the head of the line."""

    line: int
    kind: str
    book_id: int
    member_id: int | None
    day: date


@dataclass(frozen=True)
class Outcome:
    """What an event came to: a word, or the code of the refusal; and the details for people."""

    event: TraceEvent
    result: str
    details: str
    refused: bool = False


@dataclass(frozen=True)
class Standing:
    """Who has, is given and waits for a title, by member id: loans by date, the line in its order."""

    book: Book
    lent: list[int]
    set_aside: list[int]
    waiting: list[int]


def read_trace(path: Path) -> tuple[list[TraceEvent], list[Refused]]:
    """The events of a file in the order of their replay, and its malformed rows. Raises FileError."""
    source = Source(path)
    if not json_rows.recognises(source.beginning.lstrip("\ufeff \t\r\n")):
        raise FileError("is not a JSON list.")
    events: list[TraceEvent] = []
    malformed: list[Refused] = []
    for item in json_rows.rows(source):
        if isinstance(item, Row):
            try:
                events.append(_event(item))
            except RowError as problem:
                malformed.append(Refused(item.line, str(problem)))
        elif isinstance(item, Refused):
            malformed.append(item)
    return sorted(events, key=lambda event: (event.day, RANK[event.kind])), malformed


def replay(
    events: Sequence[TraceEvent], *, fulfil_on_return: Literal["hold", "loan"] | None = None
) -> Iterator[Outcome]:
    """Replay events in the order given by `read_trace`, each in a transaction of its own; one outcome for each.

    `fulfil_on_return` defaults to the setting of that name. What a replay sets aside stays on the shelf as if set
    aside today. Raises Busy while another replay runs, and when others hold what an event needs for too long: then
    nothing of that event has happened.
    """
    today = timezone.now()
    with _only_replay():
        recorded = _last_on_record({event.book_id for event in events})
        number_of_day: defaultdict[date, int] = defaultdict(int)
        for event in events:
            at = datetime.combine(event.day, time(12), UTC) + timedelta(microseconds=number_of_day[event.day])
            number_of_day[event.day] += 1
            last = recorded.get(event.book_id)
            if last is not None and at <= last:
                yield Outcome(event, "passed over", f"The title's record goes on until {last:%Y-%m-%d %H:%M} UTC.")
            else:
                with shelving_as_of(today), retelling("replay"):
                    outcome = _replay(event, at, fulfil_on_return)
                yield outcome


def standing(book_ids: Sequence[int]) -> list[Standing]:
    """How those of these titles that exist stand now, by ascending id."""
    by_book: dict[int, Standing] = {
        book.pk: Standing(book, [], [], []) for book in Book.objects.filter(pk__in=book_ids).order_by("pk")
    }
    loans = Loan.objects.active().filter(book__in=by_book).order_by("lent_at", "pk")
    for book_id, member_id in loans.values_list("book_id", "member_id"):
        by_book[book_id].lent.append(member_id)
    live = Reservation.objects.live().filter(book__in=by_book).in_order()
    for book_id, member_id, status in live.values_list("book_id", "member_id", "status"):
        line = by_book[book_id]
        (line.set_aside if status == Reservation.Status.READY else line.waiting).append(member_id)
    return list(by_book.values())


def _event(row: Row) -> TraceEvent:
    fields = Fields(row, ("eventtype", "book_id", "date"), optional=("member_id",))
    kind = fields.text("eventtype", longest=20)
    if kind not in RANK:
        raise RowError(f"eventtype is one of {', '.join(RANK)}, not {kind!r}.")
    member_id = fields.whole_number("member_id", highest=HIGHEST_ID) if fields.has("member_id") else None
    if member_id is None and kind != "fulfill":
        raise RowError(f"There is no member_id, which a {kind} needs.")
    book_id = fields.whole_number("book_id", highest=HIGHEST_ID)
    return TraceEvent(row.line, kind, book_id, member_id if kind != "fulfill" else None, _day(fields))


def _day(fields: Fields) -> date:
    text = fields.text("date", longest=100)
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise RowError(f"date must be a day written like 2023-05-31, not {text!r}.")
    if day.year not in YEARS:
        raise RowError(f"date must lie in the years {YEARS[0]} to {YEARS[-1]}.")
    return day


def _replay(event: TraceEvent, at: datetime, fulfil_on_return: Literal["hold", "loan"] | None) -> Outcome:
    try:
        result, details = _take(event, at, fulfil_on_return)
    except Busy:
        raise
    except (QueueEmpty, NoCopyToFulfil) as refusal:
        return Outcome(event, "nothing to do", refusal.message)
    except Refusal as refusal:
        return Outcome(event, refusal.code, " ".join(reason.message for reason in refusal.reasons()), refused=True)
    except DomainError as error:
        return Outcome(event, error.code, error.message, refused=True)
    return Outcome(event, result, details)


def _take(event: TraceEvent, at: datetime, fulfil_on_return: Literal["hold", "loan"] | None) -> tuple[str, str]:
    book_id, member_id = event.book_id, event.member_id
    if member_id is None:
        loan = fulfil_head(book_id=book_id, at=at, override=OVERRIDE)
        return "lent", f"copy {loan.copy.barcode} to member {loan.member_id}"
    if event.kind == "reserve":
        reserve(member_id=member_id, book_id=book_id, at=at, override=OVERRIDE)
        return "queued", ""
    if event.kind == "return":
        returned = return_copy(
            member_id=member_id, book_id=book_id, at=at, fulfil_on_return=fulfil_on_return, override=OVERRIDE
        )
        barcode, reservation = returned.loan.copy.barcode, returned.next.reservation
        if reservation is None:
            return "returned", f"copy {barcode}"
        what = "lent to" if returned.next.action == "lend" else "set aside for"
        return "returned", f"copy {barcode}, {what} member {reservation.member_id}"
    done = check_out(member_id=member_id, book_id=book_id, at=at, override=OVERRIDE)
    if isinstance(done, Queued):
        return "queued", ""
    return "lent", f"copy {done.loan.copy.barcode}"


def _last_on_record(book_ids: set[int]) -> dict[int, datetime]:
    events = CirculationEvent.objects.filter(book_id__in=book_ids).order_by()
    last = events.values_list("book_id").annotate(Max("occurred_at"))
    return {book_id: at for book_id, at in last if book_id is not None}


@contextmanager
def _only_replay() -> Iterator[None]:
    """Two replays at a time would both find that nothing is on record yet. The lock ends with the connection.

    It is a transaction's, on a connection beside the one that replays: behind PgBouncer no session is ours for longer.
    """
    beside = connection.copy()
    try:
        beside.set_autocommit(False)
        with beside.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # however long the trace is
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            if not cursor.fetchone()[0]:
                raise Busy("Another replay is running. Please wait until it has ended.")
        yield
    finally:
        beside.close()
