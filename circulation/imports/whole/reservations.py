"""Those who wait, in the order in which they asked. Reservations that ended are left out."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q

from circulation.imports import fields as values
from circulation.imports.branches import Branches
from circulation.imports.columns import RESERVATION, Columns
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import Kind, Taken
from circulation.imports.whole.references import Reference, References, member_in, naming_what_is_gone, title_in
from events.models import Event
from events.operations import operation
from events.recording import event, record
from library import locks
from library.models import Book, Branch, Copy, Member
from library.policies import policy_for
from reservations.models import Reservation

Status = Reservation.Status
OVERRIDDEN = {"codes": ["RESERVATION_LIMIT_REACHED"], "reason": "reserved before this library was imported"}


@dataclass(frozen=True)
class ReservationRecord:
    row: Row
    title: Reference
    member: Reference
    placed_at: datetime
    status: Reservation.Status
    priority: int
    needed_by: datetime | None
    branch: Branch | None
    barcode: str  # of the copy that is set aside
    shelf_until: datetime | None
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> Hashable:
        return (self.title, self.member)


class Reservations(Kind[ReservationRecord, Reservation | None]):
    """`zone` is that of moments which name none; `touched` are the titles whose lines must be settled afterwards."""

    table = "reservations"
    touches_others = True  # members and titles of before

    def __init__(self, references: References, branches: Branches, *, zone: ZoneInfo) -> None:
        self._references, self._branches, self._zone = references, branches, zone
        self._columns = Columns(RESERVATION)
        self.touched: set[int] = set()

    def parse(self, row: Row) -> ReservationRecord:
        given = self._columns[row]
        if "placed_at" not in given:
            raise RowError("There is no placed_at.")
        status = str(given.get("status", "waiting")).strip().lower()
        if status not in Status.values:
            raise RowError(f"status must be one of {', '.join(Status.values)}, not {status[:30]!r}.")
        moments = {
            name: values.moment(name, given[name], zone=self._zone)
            for name in ("needed_by", "shelf_until")
            if name in given
        }
        if status == Status.READY and "barcode" not in given:
            raise RowError("A copy is set aside, but there is no barcode.")
        return ReservationRecord(
            row,
            title_in(given),
            member_in(given),
            values.moment("placed_at", given["placed_at"], zone=self._zone),
            Status(status),
            values.whole_number("priority", given.get("priority", 0), lowest=-1000, highest=1000),
            moments.get("needed_by"),
            self._branches[given["branch"]] if "branch" in given else None,
            values.words("barcode", given["barcode"], longest=64).strip() if "barcode" in given else "",
            moments.get("shelf_until"),
        )

    def shown(self, record: ReservationRecord) -> str:
        return f"The reservation of title {record.title.value} for member {record.member.value}"

    def known(self, records: Sequence[ReservationRecord]) -> Mapping[Hashable, Reservation | None]:
        found: dict[Hashable, Reservation | None] = {}
        for each in records:
            if each.status in Reservation.CLOSED:
                found[each.key] = None
        live = [record for record in records if record.key not in found]
        try:
            titles = self._references.titles(record.title for record in live)
            members = self._references.members(record.member for record in live)
        except RowError:
            if len(live) == 1:
                return found  # adding it will tell
            for record in live:
                found.update(self.known([record]))
            return found
        rows = Reservation.objects.filter(
            Q(placed_at__in=[record.placed_at for record in live]) | Q(status__in=Reservation.LIVE),
            book__in=titles.values(),
            member__in=members.values(),
        )
        by_pair = {(row.book_id, row.member_id): row for row in rows}
        for record in live:
            row = by_pair.get((titles[record.title], members[record.member]))
            if row is not None:
                found[record.key] = row
        return found

    def add(self, records: Sequence[ReservationRecord], *, at: datetime) -> Sequence[str]:
        titles = self._references.titles(record.title for record in records)
        members = self._references.members(record.member for record in records)
        ready = [_Place(record, members[record.member], titles[record.title]) for record in records]
        with naming_what_is_gone():
            _queue(ready, at=at)
        self.touched.update(place.book_id for place in ready)
        return [""] * len(records)

    def revise(self, record: ReservationRecord, known: Reservation | None, *, at: datetime) -> Taken:
        if known is None:
            return Taken("left out")
        self.touched.add(known.book_id)
        return Taken("unchanged")


@dataclass(frozen=True)
class _Place:
    record: ReservationRecord
    member_id: int
    book_id: int


@operation
def _queue(places: Sequence[_Place], *, at: datetime) -> None:
    """Raises MemberNotFound, BookNotFound, and RowError for somebody who cannot wait for the title."""
    members = locks.lock_members(place.member_id for place in places)
    books = locks.lock_books(place.book_id for place in places)
    barcodes = [place.record.barcode for place in places if place.record.barcode]
    copies = {copy.barcode: copy for copy in Copy.objects.filter(barcode__in=barcodes).select_related("branch")}
    holders = set(Copy.objects.filter(book__in=books, status=Copy.Status.ON_LOAN).values_list("book_id", "holder_id"))
    waiting = Reservation.objects.filter(book__in=books, status=Status.WAITING)
    sent = set(waiting.exclude(copy=None).values_list("copy__barcode", flat=True))
    reservations = []
    for place in places:
        member, book = members[place.member_id], books[place.book_id]
        if (book.pk, member.pk) in holders:
            raise RowError(f"{member} has “{book}” on loan, and need not wait for it.")
        # What is on its way to one member is not on its way to another.
        copy = None if place.record.barcode in sent else copies.get(place.record.barcode)
        reservation = _reservation(place.record, member, book, copy, at=at)
        if reservation.status == Status.WAITING and reservation.copy is not None:
            sent.add(reservation.copy.barcode)
        reservations.append(reservation)
    Reservation.objects.bulk_create(reservations)
    record(*(told for reservation in reservations for told in _events(reservation)))


def _reservation(
    record: ReservationRecord, member: Member, book: Book, copy: Copy | None, *, at: datetime
) -> Reservation:
    if record.status == Status.READY:
        if copy is None or copy.book_id != book.pk or not copy.is_available:
            raise RowError(f"Copy {record.barcode} of “{book}” is not there to be set aside.")
        copy.move(Copy.Status.ON_HOLD_SHELF, holder=member)
    elif not _is_sent(record, book, copy):
        copy = None
    shelf_until = record.shelf_until
    branch = record.branch or member.branch
    if record.status == Status.READY and shelf_until is None:
        shelf_until = branch.closing_after(at, days=policy_for(member, book).shelf_days)
    return Reservation(
        book=book,
        member=member,
        status=record.status,
        placed_at=record.placed_at,
        priority=record.priority,
        needed_by=record.needed_by,
        branch=branch,
        copy=copy,
        shelf_until=shelf_until if copy is not None else None,
    )


def _is_sent(record: ReservationRecord, book: Book, copy: Copy | None) -> bool:
    """Whether the copy named is on its way to whoever waits. Other systems name one that nobody is to have instead."""
    is_on_its_way = copy is not None and copy.book_id == book.pk and copy.status == Copy.Status.IN_TRANSIT
    return record.status == Status.WAITING and is_on_its_way


def _events(reservation: Reservation) -> list[Event]:
    where: dict[str, Any] = {
        "book_id": reservation.book_id,
        "member_id": reservation.member_id,
        "reservation_id": reservation.pk,
        "retold": "import",
    }
    at = reservation.placed_at
    told = [event(Event.Kind.RESERVE, at=at, override=OVERRIDDEN, **where)]
    if reservation.priority:
        reason = "imported"
        told.append(event(Event.Kind.REORDER, at=at, before=0, priority=reservation.priority, reason=reason, **where))
    if reservation.status == Status.SUSPENDED:
        told.append(event(Event.Kind.SUSPEND, at=at, **where))
    if reservation.status == Status.WAITING and reservation.copy_id is not None:
        told.append(event(Event.Kind.TRANSIT, at=at, copy_id=reservation.copy_id, **where))
    if reservation.status == Status.READY and reservation.shelf_until is not None:
        until = reservation.shelf_until.isoformat()
        told.append(event(Event.Kind.HOLD, at=at, copy_id=reservation.copy_id, shelf_until=until, **where))
    return told
