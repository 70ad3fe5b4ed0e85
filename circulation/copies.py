"""What happens to copies apart from lending: received, lost, missing, found, damaged, repaired, withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from circulation.exceptions import CopyOnLoan
from circulation.services import Next, close_loan_as_lost, next_for
from events.models import Event
from events.operations import operation
from events.recording import event, record
from library import locks
from library.exceptions import InvalidTransition
from library.models import Branch, Copy
from reservations import serving
from reservations.models import Reservation
from reservations.titles import complete_removal

Status = Copy.Status
GONE = (Status.LOST, Status.MISSING)


@dataclass(frozen=True)
class Moved:
    """A copy after its move, and what to do with it if it came back into circulation."""

    copy: Copy
    next: Next | None = None

    @property
    def told(self) -> str:
        """What staff are told, and asked to do."""
        if self.next is None:
            return f"Copy {self.copy.barcode} is now {self.copy.get_status_display().lower()}."
        return f"Copy {self.copy.barcode} came in. {self.next.told}"


@operation
def mark_lost(*, barcode: str, at: datetime, reason: str = "") -> Moved:
    """The copy will not come back. An open loan ends; whoever it was set aside for waits again at the old place."""
    return _take_out(barcode, Status.LOST, Event.Kind.LOST, at=at, reason=reason)


@operation
def mark_missing(*, barcode: str, at: datetime, reason: str = "") -> Moved:
    """The copy is not where it should be. Raises CopyOnLoan for one that a member has."""
    return _take_out(barcode, Status.MISSING, Event.Kind.MISSING, at=at, reason=reason)


@operation
def mark_damaged(*, barcode: str, at: datetime, reason: str = "") -> Moved:
    """The copy must be repaired first. Raises CopyOnLoan for one that was not returned yet."""
    return _take_out(barcode, Status.DAMAGED, Event.Kind.DAMAGED, at=at, reason=reason)


@operation
def withdraw(*, barcode: str, at: datetime, reason: str = "") -> Moved:
    """The copy leaves the library for good. Raises CopyOnLoan while it is lent."""
    return _take_out(barcode, Status.WITHDRAWN, Event.Kind.WITHDRAWN, at=at, reason=reason)


@operation
def receive(*, barcode: str, at: datetime, branch: Branch | None = None) -> Moved:
    """A copy in transit arrived: for whoever it was sent for, for the line, or on its shelf; else it is sent on.

    Without a branch it arrived where it was sent to. Raises InvalidTransition for one that is not in transit.
    """
    book, copy = locks.lock_book_of_copy(barcode)
    if copy.status != Status.IN_TRANSIT:
        raise InvalidTransition(
            f"Copy {barcode} is not in transit. It is {copy.get_status_display().lower()}.", status=copy.status
        )
    came_in = serving.CameIn(copy, branch or serving.destination(copy))
    return _found_its_place(came_in, serving.receive(book, came_in, at=at))


@operation
def mark_found(*, barcode: str, at: datetime, branch: Branch | None = None) -> Moved:
    """A lost or missing copy is back: to the line first, else to its shelf. Raises InvalidTransition otherwise.

    Without a branch it was found at its own.
    """
    return _bring_back(barcode, GONE, Event.Kind.FOUND, "was neither lost nor missing", at=at, branch=branch)


@operation
def repair(*, barcode: str, at: datetime) -> Moved:
    """A damaged copy is whole again: to the line first, else to the shelf. Raises InvalidTransition otherwise."""
    return _bring_back(barcode, (Status.DAMAGED,), Event.Kind.REPAIRED, "was not damaged", at=at)


def _take_out(barcode: str, to: Copy.Status, kind: Event.Kind, *, at: datetime, reason: str) -> Moved:
    book, copy = locks.lock_book_of_copy(barcode)
    if copy.status == Status.ON_LOAN and to != Status.LOST:
        raise CopyOnLoan(f"Copy {barcode} is on loan. Take it back first.", barcode=barcode)
    if copy.status == Status.ON_LOAN:
        close_loan_as_lost(copy, at=at, reason=reason)
    else:
        record(event(kind, at=at, book_id=book.pk, copy_id=copy.pk, barcode=barcode, reason=reason or None))
    was_given = copy.status in (Status.ON_HOLD_SHELF, Status.IN_TRANSIT)
    copy.move(to)
    if was_given:
        serving.lose_copy(copy, at=at)
        serving.settle(book, at=at)
    complete_removal(book, at=at)
    return Moved(copy)


def _bring_back(
    barcode: str,
    origins: tuple[Copy.Status, ...],
    kind: Event.Kind,
    refusal: str,
    *,
    at: datetime,
    branch: Branch | None = None,
) -> Moved:
    book, copy = locks.lock_book_of_copy(barcode)
    if copy.status not in origins:
        raise InvalidTransition(
            f"Copy {barcode} {refusal}. It is {copy.get_status_display().lower()}.", status=copy.status
        )
    copy.move(Status.AVAILABLE)
    record(event(kind, at=at, book_id=book.pk, copy_id=copy.pk, barcode=barcode))
    came_in = serving.CameIn(copy, branch or copy.branch)
    return _found_its_place(came_in, serving.take_in(book, came_in, at=at))


def _found_its_place(came_in: serving.CameIn, reservation: Reservation | None) -> Moved:
    copy = came_in.copy
    copy.refresh_from_db(fields=["status", "holder", "due_at"])
    return Moved(copy, next_for(came_in, reservation))
