"""The life of one title as its events tell it, followed from outside to see whether every step was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

AWAY = {
    "lost": "lost",
    "missing": "missing",
    "damaged": "damaged",
    "withdrawn": "withdrawn",
    "transit": "in_transit",
}
SENT = "sent for"  # waiting for a copy that is on its way
PLACES = {
    "reserve": "waiting",
    "resume": "waiting",
    "release": "waiting",
    "hold": "ready",
    "transit": SENT,
    "suspend": "suspended",
    "fulfil": "fulfilled",
    "cancel": "cancelled",
    "expire": "expired",
}

Row = Mapping[str, Any]


@dataclass
class History:
    """Copies by id and reservations by id, as the events leave them; and what was wrong on the way, by invariant.

    `placed` tells when each reservation was placed and by whom. Members in `doubtful` were blocked at some time:
    whether they could be served then, the events of a title do not tell, so nobody is said to have overtaken them.
    """

    copies: int
    placed: Mapping[int, tuple[datetime, int | None]]
    doubtful: set[int | None]
    on_loan: dict[int, int] = field(default_factory=dict)  # the loan of a copy
    loan_of: dict[int, int] = field(default_factory=dict)  # the open loan of a member
    shelved_for: dict[int, int] = field(default_factory=dict)  # the reservation that a copy is set aside for
    away: dict[int, str] = field(default_factory=dict)
    places: dict[int, str] = field(default_factory=dict)
    wrong: list[tuple[int, str]] = field(default_factory=list)

    def follow(self, events: Sequence[Row]) -> None:
        for event in events:
            self._step(event)

    @property
    def available(self) -> int:
        return self.copies - len(self.on_loan) - len(self.shelved_for) - len(self.away)

    def _step(self, event: Row) -> None:
        kind, copy, place = event["kind"], event["copy_id"], event["reservation_id"]
        if kind == "checkout":
            self._lent(event)
        elif kind in ("return", "lost") and event["loan_id"] is not None:
            if self.on_loan.pop(copy, None) != event["loan_id"]:
                self._say(5, event, "ended a loan that was not open")
            self.loan_of.pop(event["member_id"], None)
        if kind == "transit" and place is not None:
            self._given(event)
        if kind in AWAY:
            self.shelved_for.pop(copy, None)
            self.away[copy] = AWAY[kind]
        elif kind in ("found", "repaired", "receive"):
            self.away.pop(copy, None)
        elif kind == "hold":
            self._set_aside(event)
        elif kind == "release":
            self.shelved_for = {c: p for c, p in self.shelved_for.items() if p != place}
        if place is not None and kind in PLACES:
            self.places[place] = PLACES[kind]

    def _lent(self, event: Row) -> None:
        copy, member, payload = event["copy_id"], event["member_id"], event["payload"]
        if copy in self.on_loan:
            self._say(1, event, "lent a copy that was on loan")
        elif copy in self.away:
            self._say(5, event, f"lent a copy that was {self.away[copy]}")
        if member in self.loan_of:
            self._say(4, event, "lent a title to a member who had it")
        overridden = payload.get("override", {}).get("codes", [])
        if payload["open"] >= payload["limit"] and "LOAN_LIMIT_REACHED" not in overridden:
            self._say(4, event, f"lent beyond the limit of {payload['limit']}")
        held = self.shelved_for.pop(copy, None)
        own = event["reservation_id"]
        if held is not None and held != own:
            self._say(3, event, "lent a copy that was set aside for somebody else")
        if held is None and copy not in self.on_loan and self.places.get(own or 0) != "ready":
            ahead = len(self._ahead_of(own, member))
            if self.available <= ahead:
                self._say(3, event, f"lent one of {self.available} free copies past {ahead} people ahead in the line")
        self.on_loan[copy] = event["loan_id"]
        self.loan_of[member] = event["loan_id"]

    def _set_aside(self, event: Row) -> None:
        place, copy = event["reservation_id"], event["copy_id"]
        if copy in self.on_loan or copy in self.away or copy in self.shelved_for:
            self._say(1, event, "set aside a copy that did not stand on the shelf")
        self._given(event)
        self.shelved_for[copy] = place

    def _given(self, event: Row) -> None:
        """Only to whoever is next; a copy that was sent stays theirs, whoever came back into the line meanwhile."""
        place = event["reservation_id"]
        if self.places.get(place) != SENT and (ahead := self._ahead_of(place, None)):
            self._say(3, event, f"gave reservation {place} a copy before {ahead[0]}")

    def _ahead_of(self, place: int | None, member: int | None) -> list[int]:
        """Who waits and was there before; before somebody without a place stand all."""
        own = self.placed.get(place or 0)
        waiting = [
            other
            for other, state in self.places.items()
            if state == "waiting" and other != place and other in self.placed
        ]
        return [
            other
            for other in waiting
            if self.placed[other][1] not in {*self.doubtful, member}
            and (own is None or (self.placed[other][0], other) < (own[0], place or 0))
        ]

    def _say(self, invariant: int, event: Row, what: str) -> None:
        self.wrong.append((invariant, f"event {event['id']} {what}"))
