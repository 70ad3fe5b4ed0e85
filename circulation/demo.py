"""The demo library: titles, members and what goes on at their desk, from `fixtures/demo`, through the services.

Its ids lie below 1000, out of the way of what is imported. Loading it again changes nothing: whatever has its event
of being added was loaded before, even if somebody has since edited or removed it; and what happened at the desk is
repeated only for titles of which nothing was ever lent or reserved. So an interrupted load can be run again, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from circulation.models import CirculationEvent, Loan
from circulation.services import check_out, renew, return_copy
from events.exceptions import DomainError
from events.models import Event
from events.operations import operation
from events.recording import event, is_ours, record, retelling
from library.bulk import keep_ids_free
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import branch_named, create_copies, enrol, member_category_named
from reservations.models import Reservation

FIXTURES = settings.BASE_DIR / "fixtures" / "demo"
SOURCE = "demo"
BRANCHES = ("Main Library", "Harbour Branch")
CATEGORIES = ("standard", "child")
OPENED = timedelta(days=90)  # ago, when everything was bought and everybody enrolled


class NotForDemo(DomainError):
    """Somebody else's titles or members have the ids of the demo library."""

    code = "DUPLICATE"


class NotYet(DomainError):
    """What this needs is on its way."""

    code = "BUSY"
    kind = "busy"


@dataclass(frozen=True)
class Demo:
    """What the demo library holds now, and whether this load added anything to it."""

    is_new: bool
    titles: int
    copies: int
    members: int
    loans: int
    overdue: int
    set_aside: int
    waiting: int

    def __str__(self) -> str:
        return (
            f"{self.titles} titles with {self.copies} copies, {self.members} members, {self.loans} on loan "
            f"({self.overdue} overdue), {self.set_aside} set aside, {self.waiting} waiting"
        )


def load(*, at: datetime) -> Demo:
    """Load what is missing of the demo library, as if it had opened some months before `at`. Raises NotForDemo.

    Of two services each loads its own; the public one raises NotYet until the titles have come from the other one.
    """
    with retelling("demo"):
        return _load(at)


def _load(at: datetime) -> Demo:
    titles, members, steps = [], [], []
    if is_ours(Event.Kind.BOOK_ADDED):
        titles = _missing(Book, "titles")
    if is_ours(Event.Kind.MEMBER_ENROLLED):
        members = _missing(Member, "members")
    if is_ours(Event.Kind.BOOK_ADDED):
        _add_settings()
        for fields in titles:
            _add_title(at=at - OPENED, **fields)
    elif Book.objects.filter(source=SOURCE).count() < len(_read("titles")):
        raise NotYet("The titles have not come from the admin's service yet.")
    for fields in members:
        _enrol(at=at - OPENED, **fields)
    if is_ours(Event.Kind.CHECKOUT):
        steps = _steps_to_take()
    for step in steps:
        _take(step, at=at)
    return _held(at, is_new=bool(titles or members or steps))


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return rows


def _missing(model: type[Book] | type[Member], name: str) -> list[dict[str, Any]]:
    """The rows that were never loaded, with their ids kept free for them."""
    rows = _read(name)
    ids = [row["id"] for row in rows]
    if model._default_manager.filter(pk__in=ids).exclude(source=SOURCE).exists():
        raise NotForDemo(f"This library has {name} of its own under the ids of the demo library: nothing was loaded.")
    if model is Book:
        added = Event.objects.filter(kind=Event.Kind.BOOK_ADDED, book_id__in=ids).values_list("book_id", flat=True)
    else:
        kinds = [Event.Kind.MEMBER_ENROLLED, Event.Kind.MEMBER_DELETED]  # whoever was deleted is in no other event
        added = Event.objects.filter(kind__in=kinds, member_id__in=ids).values_list("member_id", flat=True)
    loaded = set(added)
    missing = [row for row in rows if row["id"] not in loaded]
    if missing:
        keep_ids_free(model, up_to=max(ids))
    return missing


def _add_settings() -> None:
    for name in BRANCHES:
        Branch.objects.get_or_create(name=name)
    for name in CATEGORIES:
        MemberCategory.objects.get_or_create(name=name)
    for terms in _read("policies"):
        category = terms.pop("member_category", None)
        LoanPolicy.objects.get_or_create(
            member_category=member_category_named(category) if category else None,
            book_category=terms.pop("book_category", ""),
            defaults=terms,
        )


@operation
def _add_title(*, at: datetime, id: int, copies: dict[str, int], **fields: Any) -> None:
    book = Book.objects.create(id=id, source=SOURCE, source_id=str(id), **fields)
    record(event(Event.Kind.BOOK_ADDED, at=at, book_id=book.pk, title=book.title, copies=sum(copies.values())))
    for branch, count in copies.items():
        create_copies(book, count=count, branch=branch_named(branch), at=at)


def _enrol(*, at: datetime, id: int, category: str | None = None, branch: str | None = None, **fields: Any) -> None:
    enrol(
        at=at,
        member_id=id,
        category=member_category_named(category),
        branch=branch_named(branch),
        source=SOURCE,
        source_id=str(id),
        **fields,
    )


def _steps_to_take() -> list[dict[str, Any]]:
    steps = _read("desk")
    begun = CirculationEvent.objects.filter(book_id__in={step["title"] for step in steps})
    titles = set(begun.values_list("book_id", flat=True))
    return [step for step in steps if step["title"] not in titles]


def _take(step: dict[str, Any], *, at: datetime) -> None:
    at += timedelta(days=step["day"])
    book_id, member_id = step["title"], step["member"]
    match step["do"]:
        case "check_out":
            check_out(book_id=book_id, member_id=member_id, at=at)
        case "return":
            return_copy(book_id=book_id, member_id=member_id, at=at, fulfil_on_return="hold")
        case "renew":
            renew(loan_id=Loan.objects.active().get(book=book_id, member=member_id).pk, at=at)


def _held(at: datetime, *, is_new: bool) -> Demo:
    loans = Loan.objects.active().filter(book__source=SOURCE)
    live = Reservation.objects.live().filter(book__source=SOURCE)
    set_aside = live.filter(status=Reservation.Status.READY).count()
    return Demo(
        is_new=is_new,
        titles=Book.objects.held().filter(source=SOURCE).count(),
        copies=Copy.objects.filter(book__source=SOURCE).exclude(status=Copy.Status.WITHDRAWN).count(),
        members=Member.objects.filter(source=SOURCE).count(),
        loans=loans.count(),
        overdue=loans.overdue(at).count(),
        set_aside=set_aside,
        waiting=live.count() - set_aside,
    )
