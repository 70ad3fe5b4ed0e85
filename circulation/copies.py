"""What happens to copies apart from lending: lost, missing, found, damaged, repaired, withdrawn."""

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
from library.models import Copy
from reservations import services as line
from reservations.titles import complete_removal

Status = Copy.Status
GONE = (Status.LOST, Status.MISSING)


@dataclass(frozen=True)
class Moved:
    """A copy after its move, and what to do with it if it came back into circulation."""

    copy: Copy
    next: Next | None = None


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
def mark_found(*, barcode: str, at: datetime) -> Moved:
    """A lost or missing copy is back: to the line first, else to the shelf. Raises InvalidTransition otherwise."""
    return _bring_back(barcode, GONE, Event.Kind.FOUND, "was neither lost nor missing", at=at)


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
    was_set_aside = copy.status == Status.ON_HOLD_SHELF
    copy.move(to)
    if was_set_aside:
        line.lose_copy(copy, at=at)
        line.settle(book, at=at)
    complete_removal(book, at=at)
    return Moved(copy)


def _bring_back(
    barcode: str, origins: tuple[Copy.Status, ...], kind: Event.Kind, refusal: str, *, at: datetime
) -> Moved:
    book, copy = locks.lock_book_of_copy(barcode)
    if copy.status not in origins:
        raise InvalidTransition(
            f"Copy {barcode} {refusal}. It is {copy.get_status_display().lower()}.", status=copy.status
        )
    copy.move(Status.AVAILABLE)
    record(event(kind, at=at, book_id=book.pk, copy_id=copy.pk, barcode=barcode))
    next_step = next_for(copy, line.settle(book, at=at))
    copy.refresh_from_db(fields=["status", "holder", "due_at"])
    return Moved(copy, next_step)
