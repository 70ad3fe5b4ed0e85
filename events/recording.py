"""Writing events down, with who asked for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.conf import settings

from events.changes import Changes
from events.exceptions import OtherService
from events.models import OWNERS, Event
from events.operations import require_transaction
from events.origins import origin
from events.signals import recorded

_following: ContextVar[bool] = ContextVar("following", default=False)
_actor: ContextVar[int | None] = ContextVar("actor")
_retold: ContextVar[str | None] = ContextVar("retold", default=None)


def is_ours(kind: Event.Kind) -> bool:
    """Whether such a thing may happen at this service. All may, unless there are two of them."""
    return kind in OWNERS[settings.SERVICE]


def require_ours(kind: Event.Kind) -> None:
    """Nobody changes what the other one of two services decides, but by `following` it. Raises OtherService."""
    if not (is_ours(kind) or _following.get()):
        raise OtherService("public" if settings.SERVICE == "admin" else "admin's")


@contextmanager
def following() -> Iterator[None]:
    """What is recorded inside happened at the other one of two services, and is taken over."""
    token = _following.set(True)
    try:
        yield
    finally:
        _following.reset(token)


@contextmanager
def retelling(source: str) -> Iterator[None]:
    """What is recorded inside did not happen here and now, but in a trace or a demonstration: nobody is written to.

    The payload says so as `retold`. What an import brings in says so too, in its own words.
    """
    token = _retold.set(source)
    try:
        yield
    finally:
        _retold.reset(token)


@contextmanager
def acting(user_id: int | None) -> Iterator[None]:
    """Everything recorded inside was asked for by this account, whoever sent the request or runs the command."""
    token = _actor.set(user_id)
    try:
        yield
    finally:
        _actor.reset(token)


def who_acts() -> int | None:
    """The account that asks for what is done now, None at an open desk."""
    return _actor.get(origin().actor_id)


def event(
    kind: Event.Kind,
    *,
    at: datetime,
    book_id: int | None = None,
    copy_id: int | None = None,
    member_id: int | None = None,
    loan_id: int | None = None,
    reservation_id: int | None = None,
    changes: Changes | None = None,
    **payload: Any,
) -> Event:
    """An event, not yet recorded. What is None in the payload is left out.

    `changes` are old and new values, by field. They are for the audit trail: the names alone are published.

    Raises OtherService for what the other one of two services does.
    """
    require_ours(kind)
    payload.setdefault("retold", _retold.get())
    if changes:
        payload = {"changed": list(changes), **payload, "changes": changes}
    known = origin()
    return Event(
        kind=kind,
        occurred_at=at,
        book_id=book_id,
        copy_id=copy_id,
        member_id=member_id,
        loan_id=loan_id,
        reservation_id=reservation_id,
        record_id=payload.get("record"),
        actor_id=who_acts(),
        key_id=known.key_id,
        address=known.address,
        request_id=known.request_id,
        source=known.source,
        payload={name: value for name, value in payload.items() if value is not None},
    )


def record(*events: Event) -> None:
    """Write events in the order given, in one statement, inside the operation that they tell of."""
    require_transaction()
    if events:
        Event.objects.bulk_create(events)
        announce(*events)


def announce(*events: Event) -> None:
    """Tell whoever must know at once of events that were just written. `record` does it by itself."""
    recorded.send(Event, events=events)
