"""Titles coming in, and members: enrolling and editing them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection, models

from events.changes import Changes, differences
from events.models import Event
from events.operations import operation, require_transaction
from events.recording import event, record
from library import locks
from library.exceptions import BranchNotFound, CategoryNotFound, NameMissing, StaleVersion
from library.models import Book, Branch, Copy, Member, MemberCategory

BOOK_FIELDS = (
    "title",
    "authors",
    "isbn",
    "publisher",
    "category",
    "language",
    "published_year",
    "in_circulation",
)
MEMBER_FIELDS = (
    "card_number",
    "first_name",
    "last_name",
    "email",
    "category",
    "branch",
    "expires_on",
    "blocked_reason",
)
COPY_FIELDS = ("barcode", "branch")


def revision(record: models.Model, fields: Iterable[str]) -> str:
    """A short fingerprint of what can be edited in a record: the strong part of its ETag."""
    values = "\0".join(str(record.serializable_value(name)) for name in fields)
    return hashlib.sha256(values.encode()).hexdigest()[:16]


def book_revision(book: Book) -> str:
    return revision(book, BOOK_FIELDS)


def member_revision(member: Member) -> str:
    return revision(member, MEMBER_FIELDS)


def copy_revision(copy: Copy) -> str:
    return revision(copy, COPY_FIELDS)


def change(record: models.Model, fields: Mapping[str, Any], *, current: str, expected: str | None) -> Changes:
    """Write the fields that differ, and return them. Raises StaleVersion if the client edited an old version."""
    if expected is not None and expected != current:
        raise StaleVersion
    changes = differences({name: getattr(record, name) for name in fields}, fields)
    for name in changes:
        setattr(record, name, fields[name])
    if changes:
        record.save(update_fields=list(changes))
    return changes


def main_branch() -> Branch:
    """The branch that always exists."""
    return Branch.objects.get(name=Branch.MAIN)


def branch_named(name: str | None) -> Branch:
    """A branch by name, in any case; the main one without a name. Raises BranchNotFound."""
    if name is None:
        return main_branch()
    branch = Branch.objects.filter(name__iexact=name).first()
    if branch is None:
        raise BranchNotFound(name)
    return branch


def member_category_named(name: str | None) -> MemberCategory:
    """A member category by name, in any case; the standard one without a name. Raises CategoryNotFound."""
    category = MemberCategory.objects.filter(name__iexact=name or MemberCategory.STANDARD).first()
    if category is None:
        raise CategoryNotFound(name or MemberCategory.STANDARD)
    return category


@operation
def add_title(*, at: datetime, copies: int = 1, branch: Branch | None = None, **fields: Any) -> Book:
    """A new title, with so many available copies. Raises Duplicate for an ISBN or source record that is taken."""
    book = Book.objects.create(**fields)
    record(event(Event.Kind.BOOK_ADDED, at=at, book_id=book.pk, title=book.title, copies=copies))
    if copies:
        create_copies(book, count=copies, branch=branch or main_branch(), at=at)
    return book


def create_copies(
    book: Book, *, count: int, branch: Branch, at: datetime, barcodes: list[str] | None = None
) -> list[Copy]:
    """New copies, barcoded `<title id>-<n>` unless named. The caller holds the book's lock, or has just made the book.

    Raises Duplicate for a barcode that is taken.
    """
    require_transaction()
    copies = Copy.objects.bulk_create(
        Copy(book=book, barcode=barcode, branch=branch) for barcode in barcodes or new_barcodes(book.pk, count)
    )
    record(
        *(
            event(Event.Kind.COPY_ADDED, at=at, book_id=book.pk, copy_id=copy.pk, barcode=copy.barcode)
            for copy in copies
        )
    )
    return copies


def default_barcode(book_id: int, number: int) -> str:
    """What a title's copies are called that come without barcodes of their own, counting from 1."""
    return f"{book_id}-{number}"


def new_barcodes(book_id: int, count: int) -> list[str]:
    """So many of the usual barcodes of a title that no copy has yet, of whatever title."""
    free: list[str] = []
    first = 1
    while len(free) < count:
        names = [default_barcode(book_id, number) for number in range(first, first + count + 100)]
        taken = set(Copy.objects.filter(barcode__in=names).values_list("barcode", flat=True))
        free += [name for name in names if name not in taken]
        first += len(names)
    return free[:count]


@operation
def edit_copy(*, barcode: str, fields: Mapping[str, Any], at: datetime, expected: str | None = None) -> Copy:
    """Change a copy's barcode or branch. Raises CopyNotFound, StaleVersion, Duplicate."""
    book, copy = locks.lock_book_of_copy(barcode)
    changes = change(copy, fields, current=copy_revision(copy), expected=expected)
    if changes:
        record(event(Event.Kind.COPY_EDITED, at=at, book_id=book.pk, copy_id=copy.pk, changes=changes))
    return copy


@operation
def enrol(*, at: datetime, member_id: int | None = None, **fields: Any) -> Member:
    """A new member. Without a card number they get `C` and their id in eight digits.

    Raises Duplicate for a card number or e-mail address that is taken.
    """
    return new_member(at=at, member_id=member_id, **fields)


def new_member(*, at: datetime, member_id: int | None = None, **fields: Any) -> Member:
    """`enrol` inside another operation."""
    require_transaction()
    fields.setdefault("branch", None)
    fields["branch"] = fields["branch"] or main_branch()
    fields["category"] = fields.get("category") or member_category_named(None)
    pk = member_id if member_id is not None else next_ids(Member, count=1)[0]
    card_number = fields.pop("card_number", "") or default_card_number(pk)
    member = Member(pk=pk, card_number=card_number, **fields)
    member.save(force_insert=True)
    record(event(Event.Kind.MEMBER_ENROLLED, at=at, member_id=member.pk))
    return member


def default_card_number(member_id: int) -> str:
    """The card number of a member who comes without one."""
    return f"C{member_id:08d}"


@operation
def edit_member(*, member_id: int, fields: Mapping[str, Any], at: datetime, expected: str | None = None) -> Member:
    """Change, block or unblock a member. Raises MemberNotFound, NameMissing, StaleVersion, Duplicate."""
    member = locks.lock_member(member_id)
    if not (fields.get("first_name", member.first_name) or fields.get("last_name", member.last_name)):
        raise NameMissing
    changes = change(member, fields, current=member_revision(member), expected=expected)
    if changes:
        record(event(Event.Kind.MEMBER_EDITED, at=at, member_id=member.pk, changes=changes))
    return member


def split_name(name: str) -> tuple[str, str]:
    """First and last name of a full one: what follows the last space is the last name."""
    first, _, last = name.rpartition(" ")
    return (first, last) if first else (name, "")


def next_ids(model: type[models.Model], *, count: int) -> list[int]:
    """Ids for so many new rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [number for (number,) in cursor.fetchall()]
