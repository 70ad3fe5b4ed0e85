"""Reserving at another Circdesk, for a reader who has a number there and no name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime
from pybreaker import CircuitBreakerError

from integrations.partners.asking import let_go
from integrations.partners.breaker import breaker_of
from integrations.partners.calling import Failure, Reply, call, get
from integrations.partners.models import Partner, PartnerReservation, Reader
from integrations.partners.protocols import SHAPE, circdesk_titles, circdesk_url

# Refusals that say nothing of what was asked: the same request may succeed later.
NOT_ABOUT_IT = {
    "IDEMPOTENCY_IN_PROGRESS",
    "THROTTLED",
    "NOT_AUTHENTICATED",
    "TOKEN_INVALID",
    "PERMISSION_DENIED",
    "BUSY",
}
ENDED = {"fulfilled", "cancelled", "expired"}
SHOWN = 500  # characters of what a partner says
YEARS = range(2000, 3000)  # of a time that is believed; others fit neither the database nor every zone
REASONS = 10  # of a refusal


class Refused(Exception):
    """The partner said no, as it says it: all reasons, each with `code` and `message`."""

    def __init__(self, message: str, reasons: list[dict[str, str]]) -> None:
        super().__init__(message)
        self.message, self.reasons = message, reasons

    def has(self, code: str) -> bool:
        return any(reason["code"] == code for reason in self.reasons)


class UnknownTitle(Exception):
    """The partner does not have this title."""


@dataclass(frozen=True)
class There:
    """A reservation as it is at the partner."""

    remote_id: int
    status: str
    shelf_until: datetime | None


@dataclass
class Desk:
    """Another Circdesk's, for one reservation of ours: as long as `limit`, a moment of the monotonic clock, allows.

    Every method raises Failure for what is not known, and Refused for what the partner refuses.
    """

    reservation: PartnerReservation
    limit: float
    each: float  # seconds for one request
    partner: Partner = field(init=False)

    def __post_init__(self) -> None:
        self.partner = self.reservation.partner

    def reserve(self) -> There:
        """Once, however often it is asked: the key is the same, and so is the reader. Raises UnknownTitle too."""
        book_id, reader = self._book(), self._reader()
        body = {"book_id": book_id, "member_id": reader.remote_id, "reserved_until": self.reservation.until.isoformat()}
        try:
            return _there(self._post("/api/reservations/reserve/", body, key=f"{self.reservation.key}"))
        except Refused as refusal:
            if refusal.has("MEMBER_NOT_FOUND"):
                reader.delete()
                raise Failure("Our reader is not known there any more.") from None
            # Perhaps from an earlier attempt, whose answer got lost longer ago than the partner remembers keys.
            if refusal.has("RESERVATION_EXISTS") and (there := self._live(book_id, reader)):
                return there
            raise

    def found(self) -> There | None:
        """What is reserved there, where it is not known whether that succeeded."""
        if self.reservation.member_id is None:
            raise Failure("It is not known any more for whom it was.")
        reader = Reader.objects.filter(partner=self.partner, member_id=self.reservation.member_id).first()
        if reader is None:  # who is enrolled before anything is reserved
            return None
        try:
            return self._live(self._book(), reader)
        except UnknownTitle:
            return None

    def now(self, remote_id: int) -> There:
        return _there(self._get(f"/api/reservations/{remote_id}/"))

    def cancel(self, remote_id: int) -> None:
        """Twice is as good as once."""
        try:
            self._post(f"/api/reservations/{remote_id}/cancel/", {}, key=f"{self.reservation.key}-cancel")
        except Refused as refusal:
            if not (refusal.has("RESERVATION_CLOSED") or refusal.has("RESERVATION_NOT_FOUND")):
                raise

    def _book(self) -> int:
        isbn = self.reservation.book.isbn
        titles = self._guarded(lambda: circdesk_titles(self.partner, isbn, deadline=self._deadline))
        if not titles:
            raise UnknownTitle
        return _number(titles[0].get("id"))

    def _reader(self) -> Reader:
        """Our member there, enrolled once, without anything of the person."""
        member_id = self.reservation.member_id
        if member_id is None:
            raise Failure("It is not known any more for whom it was.")
        known = Reader.objects.filter(partner=self.partner, member_id=member_id).first()
        if known:
            return known
        card = f"{self.partner.card_prefix}-{member_id}"
        first, last = f"Reader {member_id}", f"of {settings.LIBRARY_NAME}"
        try:
            body = {"card_number": card, "first_name": first, "last_name": last}
            remote_id = _number(self._post("/api/members/", body).get("id"))
        except Refused as refusal:
            if not refusal.has("DUPLICATE"):
                raise
            remote_id = self._with_card(card)
        return Reader.objects.update_or_create(
            partner=self.partner, member_id=member_id, defaults={"remote_id": remote_id}
        )[0]

    def _with_card(self, card: str) -> int:
        for member in _results(self._get(f"/api/members/?search={card}")):
            if member.get("card_number") == card:
                return _number(member.get("id"))
        raise Failure("Our reader's card number is taken there, and nobody is found who has it.")

    def _live(self, book_id: int, reader: Reader) -> There | None:
        path = f"/api/reservations/?member={reader.remote_id}&book={book_id}&status=live"
        return next(map(_there, _results(self._get(path))), None)

    # --- Requests ---------------------------------------------------------------------------------------

    def _get(self, path: str) -> dict[str, Any]:
        url = circdesk_url(self.partner, path)
        return self._asked(lambda: get(self.partner, url, deadline=self._deadline))

    def _post(self, path: str, body: dict[str, Any], *, key: str = "") -> dict[str, Any]:
        url, headers = circdesk_url(self.partner, path), {"Idempotency-Key": key} if key else {}
        return self._asked(lambda: call(self.partner, "POST", url, deadline=self._deadline, body=body, headers=headers))

    def _asked(self, request: Any) -> dict[str, Any]:
        """The data of a success. Raises Refused for what counts as an answer, and is no failure of the partner's."""
        answer = self._guarded(lambda: _read(request(), self.partner.api_key))
        if isinstance(answer, Refused | Failure):
            raise answer
        data: dict[str, Any] = answer
        return data

    def _guarded(self, request: Any) -> Any:
        let_go()
        try:
            return breaker_of(self.partner).call(request)
        except CircuitBreakerError:
            raise Failure("It failed, and is left alone for a while.") from None

    @property
    def _deadline(self) -> float:
        return min(self.limit, time.monotonic() + self.each)


def _read(reply: Reply, key: str) -> dict[str, Any] | Refused | Failure:
    """The data of a success, or what is no failure of the partner's. Raises Failure for what is one."""
    if reply.status in (200, 201):
        body = reply.json()
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict):
            raise Failure(SHAPE)
        return data
    if 400 <= reply.status < 500 and (answer := _refusal(reply, key)):
        return answer
    raise Failure(f"It answered {reply.status}.")


def _refusal(reply: Reply, key: str) -> Refused | Failure | None:
    """What the partner refuses, if that is about what was asked."""
    try:
        error = reply.json()["error"]
        code, message, details = error["code"], error["message"], error.get("details")
    except (Failure, KeyError, TypeError, AttributeError):
        return None
    if code == "IDEMPOTENCY_IN_PROGRESS":  # another request of ours is there already, and the partner is well
        return Failure("It is still at an earlier request for this.")
    if not isinstance(code, str) or code in NOT_ABOUT_IT or not isinstance(message, str):
        return None
    named = details.get("refusals") if isinstance(details, dict) else None
    reasons = [
        {"code": _said(reason["code"], key)[:60], "message": _said(reason["message"], key)}
        for reason in (named if isinstance(named, list) else [])
        if isinstance(reason, dict) and isinstance(reason.get("code"), str) and isinstance(reason.get("message"), str)
    ]
    told = _said(message, key)
    return Refused(told, reasons[:REASONS] or [{"code": _said(code, key)[:60], "message": told}])


def _said(text: str, key: str) -> str:
    """A text of the partner's that people can read and the database can hold, without our key should it repeat it.

    What is not printable is a space: NUL and halves of characters, which PostgreSQL refuses, new lines, and what turns
    the direction of writing.
    """
    shown = text.replace(key, "…") if key else text
    return "".join(letter if letter.isprintable() else " " for letter in shown[:SHOWN])


def _there(data: dict[str, Any]) -> There:
    status, until = data.get("status"), data.get("shelf_until")
    if not isinstance(status, str) or not 0 < len(status) <= 20 or not isinstance(until, str | None):
        raise Failure(SHAPE)
    if not status.isprintable():  # nor could all of it be stored
        raise Failure(SHAPE)
    try:
        shelf_until = parse_datetime(until) if until else None
    except ValueError:
        raise Failure(SHAPE) from None
    if shelf_until and (shelf_until.tzinfo is None or shelf_until.year not in YEARS):
        raise Failure(SHAPE)
    return There(_number(data.get("id")), status, shelf_until)


def _results(data: dict[str, Any]) -> list[dict[str, Any]]:
    results = data.get("results")
    if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
        raise Failure(SHAPE)
    return results


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise Failure(SHAPE)
    return value
