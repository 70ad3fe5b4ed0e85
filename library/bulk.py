"""Many titles, copies or members at once: for imports."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, models

from events.models import Event
from events.operations import is_rehearsing, operation, require_transaction
from events.recording import event, record, require_ours
from library.models import Book, Branch, Copy, Member
from library.services import default_barcode, default_card_number, new_barcodes, next_ids


def keep_ids_free(model: type[models.Model], *, up_to: int) -> None:
    """From now on PostgreSQL numbers new rows above `up_to`, so that it gives nobody an id that a file brings.

    Raises Busy while somebody else's transaction has just taken a number. Does nothing in a rehearsal, because
    sequences are not undone.
    """
    if not is_rehearsing():
        _keep_ids_free(model, up_to=up_to)


@operation
def _keep_ids_free(model: type[models.Model], *, up_to: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [model._meta.db_table])
        sequence = cursor.fetchone()[0]
        # Changes nothing, but makes nextval() wait: reading the number and setting it are two steps, and whoever
        # took one in between would see it given out twice.
        cursor.execute(f"ALTER SEQUENCE {sequence} CACHE 1")
        cursor.execute(f"SELECT setval(%s, %s) FROM {sequence} WHERE last_value <= %s", [sequence, up_to, up_to])  # nosec B608  # the name comes from PostgreSQL


@dataclass(frozen=True)
class NewCopy:
    """A copy that comes with its barcode, and may not be on the shelf."""

    barcode: str
    branch: Branch
    status: Copy.Status = Copy.Status.AVAILABLE
    reason: str = ""  # why it is not available


@dataclass(frozen=True)
class NewTitle:
    """A title, with its id or without, and its copies: so many, or these."""

    book: Book
    copies: int = 0
    branch: Branch | None = None  # of these copies
    items: Sequence[NewCopy] = ()


# What the events say of a copy that comes in and is not on the shelf.
NOT_ON_SHELF = {
    Copy.Status.IN_TRANSIT: Event.Kind.TRANSIT,  # home
    Copy.Status.MISSING: Event.Kind.MISSING,
    Copy.Status.LOST: Event.Kind.LOST,
    Copy.Status.DAMAGED: Event.Kind.DAMAGED,
    Copy.Status.WITHDRAWN: Event.Kind.WITHDRAWN,
}
COMING_IN = (Copy.Status.AVAILABLE, *NOT_ON_SHELF)


def create_titles(titles: Sequence[NewTitle], *, branch: Branch, at: datetime) -> None:
    """New titles with their copies; those without barcodes stand at `branch`.

    Raises IntegrityError or Duplicate for an id, ISBN, barcode or source record that is taken.
    """
    require_transaction()
    require_ours(Event.Kind.BOOK_ADDED)  # before a number clashes with one of the service that does
    Book.objects.bulk_create(title.book for title in titles)
    record(
        *(
            event(
                Event.Kind.BOOK_ADDED,
                at=at,
                book_id=title.book.pk,
                title=title.book.title,
                copies=title.copies + len(title.items),
            )
            for title in titles
        )
    )
    names = _free_barcodes(titles)
    create_items(
        [
            (title.book.pk, item)
            for title in titles
            for item in (
                *title.items,
                *(NewCopy(barcode, title.branch or branch) for barcode in names[title.book.pk]),
            )
        ],
        at=at,
    )


def _free_barcodes(titles: Sequence[NewTitle]) -> dict[int, list[str]]:
    """The usual barcodes for the copies of each title; past those that some other copy has already."""
    usual = {
        title.book.pk: [default_barcode(title.book.pk, number) for number in range(1, title.copies + 1)]
        for title in titles
    }
    barcodes = [barcode for names in usual.values() for barcode in names]
    taken = set(Copy.objects.filter(barcode__in=barcodes).values_list("barcode", flat=True))
    for book_id, names in usual.items() if taken else ():
        if not taken.isdisjoint(names):
            usual[book_id] = new_barcodes(book_id, len(names))
    return usual


def create_items(items: Sequence[tuple[int, NewCopy]], *, at: datetime) -> None:
    """New copies of titles, which are new themselves or locked. Raises IntegrityError or Duplicate for a barcode."""
    require_transaction()
    copies = Copy.objects.bulk_create(
        Copy(book_id=book_id, barcode=item.barcode, branch=item.branch, status=item.status) for book_id, item in items
    )
    record(
        *(
            event(Event.Kind.COPY_ADDED, at=at, book_id=copy.book_id, copy_id=copy.pk, barcode=copy.barcode)
            for copy in copies
        ),
        *(
            event(
                NOT_ON_SHELF[item.status],
                at=at,
                book_id=copy.book_id,
                copy_id=copy.pk,
                barcode=copy.barcode,
                reason=item.reason or None,
            )
            for copy, (_, item) in zip(copies, items, strict=True)
            if item.status in NOT_ON_SHELF
        ),
    )


def create_members(members: Sequence[Member], *, at: datetime) -> None:
    """New members, with their ids or without; without a card number they get the usual one.

    Raises IntegrityError or Duplicate for an id, card number, e-mail address or source record that is taken.
    """
    require_transaction()
    require_ours(Event.Kind.MEMBER_ENROLLED)
    without = [member for member in members if member.pk is None]
    for member, pk in zip(without, next_ids(Member, count=len(without)), strict=True):
        member.pk = pk
    usual = {member.pk: default_card_number(member.pk) for member in members if not member.card_number}
    taken = set(Member.objects.filter(card_number__in=usual.values()).values_list("card_number", flat=True))
    for member in members:
        if not member.card_number:
            card = usual[member.pk]
            # Somebody else may have a card with the usual number.
            member.card_number = f"{card}-{secrets.token_hex(2)}" if card in taken else card
    Member.objects.bulk_create(members)
    record(*(event(Event.Kind.MEMBER_ENROLLED, at=at, member_id=member.pk, retold="import") for member in members))
