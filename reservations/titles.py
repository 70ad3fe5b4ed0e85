"""Changes of a title that its line feels: new copies, leaving circulation, leaving the library."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from events.models import Event
from events.operations import operation, require_transaction
from events.recording import event, following, is_ours, record
from library import locks
from library.exceptions import BookHasOpenLoans
from library.models import Book, Branch, Copy
from library.services import book_revision, change, create_copies, main_branch
from reservations import serving
from reservations.services import close_line

OUT_OF_CIRCULATION = "The title was taken out of circulation."
WITHDRAWN = "The title was withdrawn."


@operation
def add_copies(
    *, book_id: int, at: datetime, count: int = 1, branch: Branch | None = None, barcodes: list[str] | None = None
) -> list[Copy]:
    """New copies of a title: to the line first, the rest to the shelf. Raises BookNotFound, Duplicate."""
    book = locks.lock_book(book_id)
    copies = create_copies(book, count=count, branch=branch or main_branch(), at=at, barcodes=barcodes)
    serving.settle(book, at=at)
    return list(Copy.objects.filter(pk__in=[copy.pk for copy in copies]).select_related("branch").order_by("id"))


@operation
def edit_title(*, book_id: int, fields: Mapping[str, Any], at: datetime, expected: str | None = None) -> Book:
    """Change a catalogue record.

    Leaving circulation cancels its reservations and frees what was set aside; open loans stand. Coming back is
    immediate. Raises BookNotFound, StaleVersion, Duplicate.
    """
    book = locks.lock_book(book_id)
    changes = change(book, fields, current=book_revision(book), expected=expected)
    if not changes:
        return book
    record(event(Event.Kind.BOOK_EDITED, at=at, book_id=book.pk, changes=changes, in_circulation=book.in_circulation))
    if "in_circulation" in changes and not book.in_circulation:
        close_line(book, at=at, reason=OUT_OF_CIRCULATION)
    serving.settle(book, at=at)
    return book


@operation
def withdraw_title(*, book_id: int, at: datetime, expected: str | None = None) -> Book:
    """Take a title and its copies out of the library for good. Its reservations are cancelled.

    Raises BookHasOpenLoans while a copy is lent.
    """
    book = locks.lock_book(book_id)
    change(book, {}, current=book_revision(book), expected=expected)
    copies = Copy.objects.filter(book=book)
    if lent := copies.filter(status=Copy.Status.ON_LOAN).count():
        raise BookHasOpenLoans(f"“{book.title}” cannot be withdrawn: {lent} on loan.", open=lent)
    close_line(book, at=at, reason=WITHDRAWN)
    if is_ours(Event.Kind.CHECKOUT):
        copies.update(status=Copy.Status.WITHDRAWN, holder=None, due_at=None)
    book.withdrawn_at, book.in_circulation = at, False
    book.save(update_fields=["withdrawn_at", "in_circulation"])
    record(event(Event.Kind.BOOK_WITHDRAWN, at=at, book_id=book.pk))
    return book


# --- At the public one of two services --------------------------------------------------------------------


def follow_record(book: Book, fields: Mapping[str, Any], *, withdrawn_at: datetime | None, at: datetime) -> None:
    """Make a locked title what the admin's service says of it, and do what follows for its line.

    An acknowledged loan of a title that was removed there stands. See `complete_removal`, which the caller runs next.
    """
    require_transaction()
    if book.withdrawn_at is not None:
        return
    if withdrawn_at is not None and book.removal_asked_at is None:
        book.removal_asked_at = withdrawn_at
        book.save(update_fields=["removal_asked_at"])
    changes = change(book, fields, current="", expected=None)
    if changes:
        record(event(Event.Kind.BOOK_EDITED, at=at, book_id=book.pk, changes=changes))
    if not book.in_circulation:
        close_line(book, at=at, reason=WITHDRAWN if book.removal_asked_at else OUT_OF_CIRCULATION)


def complete_removal(book: Book, *, at: datetime) -> None:
    """Let a title go that the admin's service removed, once nothing of it is lent any more."""
    copies = Copy.objects.filter(book=book)
    if book.removal_asked_at is None or copies.filter(status=Copy.Status.ON_LOAN).exists():
        return
    if book.withdrawn_at is None:
        book.withdrawn_at = at
        book.save(update_fields=["withdrawn_at"])
        with following():
            record(event(Event.Kind.BOOK_WITHDRAWN, at=at, book_id=book.pk))
    left = list(copies.exclude(status=Copy.Status.WITHDRAWN))
    for copy in left:
        copy.move(Copy.Status.WITHDRAWN)
    record(
        *(
            event(Event.Kind.WITHDRAWN, at=at, book_id=book.pk, copy_id=copy.pk, barcode=copy.barcode, reason=WITHDRAWN)
            for copy in left
        )
    )
