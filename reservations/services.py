"""The line for a title: joining, leaving, and its order. Who gets the copy that comes free: reservations/serving.py."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from django.db.models import Case, Max, When
from django.utils import timezone

from events.exceptions import Busy
from events.models import Event
from events.operations import operation, require_transaction
from events.recording import is_ours, record
from library import locks
from library.exceptions import (
    NO_OVERRIDE,
    BookNotFound,
    CopyNotCirculating,
    InvalidTransition,
    Override,
    Refusal,
    refuse,
)
from library.models import Book, Branch, Copy, Member
from library.policies import policy_for
from library.rules import member_refusals
from reservations import serving
from reservations.exceptions import (
    AlreadyBorrowed,
    CopyAvailable,
    ReservationClosed,
    ReservationExists,
    ReservationLimitReached,
    ReservationNotFound,
    StaleQueue,
)
from reservations.models import Reservation

Status = Reservation.Status


# --- Steps inside an operation -----------------------------------------------------------------------


def join_line(
    member: Member,
    book: Book,
    *,
    at: datetime,
    needed_by: datetime | None = None,
    branch: Branch | None = None,
    overridden: dict[str, object] | None = None,
) -> Reservation:
    """Add a member to the end of the line. The caller has asked every rule and settles afterwards."""
    require_transaction()
    reservation = Reservation.objects.create(
        book=book, member=member, placed_at=at, needed_by=needed_by, branch=branch or member.branch
    )
    record(serving.told_of(Event.Kind.RESERVE, reservation, at, override=overridden))
    return reservation


def leave_line(reservation: Reservation, book: Book, *, at: datetime, reason: str) -> Reservation:
    """End a reservation under its book's lock, and serve the next. Raises ReservationClosed."""
    _end(reservation, Status.CANCELLED, Event.Kind.CANCEL, at=at, reason=reason or None)
    serving.settle(book, at=at)
    return reservation


def line_refusals(member: Member, book: Book, *, at: datetime) -> list[Refusal]:
    """Why a member may not join the line for a title, apart from a copy being free. Loan limits are not asked here."""
    reasons = member_refusals(member, today=timezone.localdate(at))
    limit = policy_for(member, book).max_reservations
    live = list(Reservation.objects.live().of(member))
    if any(reservation.book_id == book.pk for reservation in live):
        reasons.append(ReservationExists(f"{member.name} already stands in the line for “{book.title}”."))
    elif len(live) >= limit:
        reasons.append(
            ReservationLimitReached(
                f"{member.name} has {len(live)} reservations, and {limit} is the limit.", open=len(live), limit=limit
            )
        )
    if Copy.objects.filter(book=book, status=Copy.Status.ON_LOAN, holder=member).exists():
        reasons.append(AlreadyBorrowed(f"{member.name} already has “{book.title}” on loan."))
    if not book.in_circulation:
        reasons.append(CopyNotCirculating(f"“{book.title}” is out of circulation."))
    return reasons


def available(book: Book) -> int:
    """How many copies stand on the shelf."""
    return Copy.objects.filter(book=book, status=Copy.Status.AVAILABLE).count()


def _stands(book: Book, branch: Branch) -> bool:
    """Whether a copy is on the shelf of this branch."""
    return Copy.objects.filter(book=book, status=Copy.Status.AVAILABLE, branch=branch).exists()


def unserved(book: Book, *, at: datetime) -> int:
    """How many eligible members wait for whom no copy is available. Negative: copies that nobody waits for."""
    return Reservation.objects.eligible(book, at, timezone.localdate(at)).count() - available(book)


def closed(reservation: Reservation) -> ReservationClosed:
    """The refusal of anything more about a reservation that has ended."""
    return ReservationClosed(
        f"This reservation was already {reservation.get_status_display().lower()}.", status=reservation.status
    )


def close_line(book: Book, *, at: datetime, reason: str) -> list[Reservation]:
    """Cancel every live reservation of a title that is going away, and free what was set aside.

    Of two services, the public one does so when it hears of it.
    """
    if not is_ours(Event.Kind.CANCEL):
        return []
    live = list(Reservation.objects.live().filter(book=book).in_order().select_related("copy__branch"))
    for reservation in live:
        _end(reservation, Status.CANCELLED, Event.Kind.CANCEL, at=at, reason=reason)
    return live


def lock_reservation(reservation_id: int) -> tuple[Book, Reservation]:
    """A reservation as it is under its book's lock. Raises ReservationNotFound."""
    book_id = Reservation.objects.filter(pk=reservation_id).values_list("book_id", flat=True).first()
    if book_id is None:
        raise ReservationNotFound(reservation_id)
    try:
        book = locks.lock_book(book_id)
    except BookNotFound as error:  # withdrawing a title ends its reservations
        raise closed(Reservation.objects.get(pk=reservation_id)) from error
    reservation = Reservation.objects.select_related("member__branch", "copy__branch", "branch").get(pk=reservation_id)
    reservation.book = book
    return book, reservation


# --- Operations ------------------------------------------------------------------------------------------


@operation
def reserve(
    *,
    member_id: int,
    book_id: int,
    at: datetime,
    needed_by: datetime | None = None,
    branch: Branch | None = None,
    override: Override = NO_OVERRIDE,
) -> Reservation:
    """Join the line for a title of which nothing is free at that branch, or at the member's own.

    Raises CopyAvailable when a copy is free there for whoever comes, and every reason of `line_refusals`.
    """
    member, book = locks.lock_member_and_book(member_id, book_id=book_id)
    reasons = line_refusals(member, book, at=at)
    if book.in_circulation and (free := -unserved(book, at=at)) > 0 and _stands(book, branch or member.branch):
        reasons.append(CopyAvailable(f"“{book.title}” need not be reserved: it can be borrowed now.", available=free))
    overridden = refuse(reasons, override)
    reservation = join_line(
        member, book, at=at, needed_by=needed_by, branch=branch, overridden=override.payload(overridden)
    )
    serving.settle(book, at=at)
    reservation.refresh_from_db()
    return reservation


@operation
def reserve_until(
    *,
    member_id: int,
    book_id: int,
    until: datetime,
    at: datetime,
    branch: Branch | None = None,
    override: Override = NO_OVERRIDE,
) -> Reservation:
    """Have a free copy set aside until a moment, one of that branch if there is; or join the line until then.

    A copy of another branch is sent to the one where it is collected, and kept there until then. A copy is free when
    nobody eligible waits for it. Raises every reason of `line_refusals`.
    """
    member, book = locks.lock_member_and_book(member_id, book_id=book_id)
    overridden = refuse(line_refusals(member, book, at=at), override)
    is_free = unserved(book, at=at) < 0
    reservation = join_line(
        member, book, at=at, needed_by=until, branch=branch, overridden=override.payload(overridden)
    )
    if is_free:
        free = Copy.objects.filter(book=book, status=Copy.Status.AVAILABLE).select_related("branch")
        here = Case(When(branch=reservation.branch_id, then=0), default=1)
        serving.give(reservation, free.order_by(here, "id")[0], book=book, at=at, until=until)
    serving.settle(book, at=at)
    reservation.refresh_from_db()
    return reservation


@operation
def cancel(*, reservation_id: int, at: datetime, reason: str = "") -> Reservation:
    """Leave the line. A copy that was set aside goes to the next. Raises ReservationClosed."""
    book, reservation = lock_reservation(reservation_id)
    return leave_line(reservation, book, at=at, reason=reason)


@operation
def suspend(*, reservation_id: int, at: datetime) -> Reservation:
    """Stay in the line without being served, for instance while on holiday.

    Raises ReservationClosed, and InvalidTransition when a copy is already set aside.
    """
    _, reservation = lock_reservation(reservation_id)
    reservation.move(Status.SUSPENDED, at=at)
    record(serving.told_of(Event.Kind.SUSPEND, reservation, at))
    return reservation


@operation
def resume(*, reservation_id: int, at: datetime) -> Reservation:
    """Be served again, at the old place. Raises ReservationClosed, or InvalidTransition if not suspended."""
    book, reservation = lock_reservation(reservation_id)
    if reservation.is_live and reservation.status != Status.SUSPENDED:
        raise InvalidTransition("This reservation is not suspended.", status=reservation.status)
    reservation.move(Status.WAITING, at=at)
    record(serving.told_of(Event.Kind.RESUME, reservation, at))
    serving.settle(book, at=at)
    reservation.refresh_from_db()
    return reservation


@operation
def reorder(
    *, reservation_id: int, priority: int, reason: str, at: datetime, queue_version: int | None = None
) -> Reservation:
    """Move a reservation forward (lower priority) or back. Copies already set aside stay where they are.

    Raises StaleQueue when the line is no longer at `queue_version`, and ReservationClosed.
    """
    book, reservation = lock_reservation(reservation_id)
    if queue_version is not None and (version := line_version(book)) != queue_version:
        raise StaleQueue(version)
    if not reservation.is_live:
        raise closed(reservation)
    before, reservation.priority = reservation.priority, priority
    reservation.save(update_fields=["priority"])
    record(serving.told_of(Event.Kind.REORDER, reservation, at, before=before, priority=priority, reason=reason))
    serving.settle(book, at=at)
    reservation.refresh_from_db()
    return reservation


@operation
def mark_pulled(*, reservation_id: int, at: datetime) -> Reservation:
    """Note that the copy was fetched from where it stood. Nothing changes for anybody, so no event tells of it.

    Raises ReservationClosed, and InvalidTransition when there is nothing to fetch.
    """
    _, reservation = lock_reservation(reservation_id)
    if not reservation.is_live:
        raise closed(reservation)
    if not reservation.to_pull:
        raise InvalidTransition("There is nothing to pull for this reservation.", status=reservation.status)
    reservation.to_pull = False
    reservation.save(update_fields=["to_pull"])
    return reservation


@operation
def expire(*, book_id: int, at: datetime) -> list[Reservation]:
    """End what was not collected in time or is no longer needed, and serve the next in line. Returns those ended."""
    book = locks.lock_book(book_id)
    ended = list(Reservation.objects.lapsed(at).filter(book=book).in_order().select_related("copy__branch"))
    for reservation in ended:
        why = "not collected" if reservation.status == Status.READY else "no longer needed"
        _end(reservation, Status.EXPIRED, Event.Kind.EXPIRE, at=at, reason=why)
    serving.settle(book, at=at)
    return ended


def expire_everywhere(*, at: datetime) -> list[Reservation]:
    """`expire` for every title that has something to expire, each in a transaction of its own.

    Titles that are busy are left for the next sweep.
    """
    book_ids = Reservation.objects.lapsed(at).filter(book__withdrawn_at=None).values_list("book_id", flat=True)
    ended: list[Reservation] = []
    for book_id in sorted(set(book_ids)):
        with suppress(BookNotFound, Busy):  # withdrawn meanwhile, or busy
            ended += expire(book_id=book_id, at=at)
    return ended


@operation
def settle_title(*, book_id: int, at: datetime) -> list[Reservation]:
    """`settle` by itself, for what changed without touching the title: a member unblocked or renewed."""
    return serving.settle(locks.lock_book(book_id), at=at)


def settle_titles(book_ids: Iterable[int], *, at: datetime) -> list[Reservation]:
    """`settle` for each title, in a transaction of its own. Titles that are busy are left for the next sweep."""
    ready: list[Reservation] = []
    for book_id in book_ids:
        with suppress(BookNotFound, Busy):  # withdrawn meanwhile, or busy
            ready += settle_title(book_id=book_id, at=at)
    return ready


def line_version(book: Book) -> int:
    """The id of the title's last event: a new one for every change of its copies or its line."""
    version: int | None = Event.objects.filter(book_id=book.pk).aggregate(last=Max("id"))["last"]
    return version or 0


def _end(
    reservation: Reservation, to: Reservation.Status, kind: Event.Kind, *, at: datetime, reason: str | None
) -> None:
    copy_id = reservation.copy_id
    serving.release_copy(reservation, at=at)
    reservation.move(to, at=at)
    record(serving.told_of(kind, reservation, at, copy_id=copy_id, reason=reason))
