"""How things stand in a simulation, as far as the desk has told: who has what, and who waits where."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from circulation.simulation.desk import Event, Kind, LoanSeen, Outcome, PlaceSeen


@dataclass
class Waiting:
    """A place in a line. `since` is in the time of the simulation."""

    id: int
    member: int
    title: int
    since: datetime
    is_ready: bool = False
    is_suspended: bool = False


@dataclass
class Standing:
    """With several workers this is a little behind what is true; so people try what cannot be done any more."""

    loans: dict[tuple[int, int], LoanSeen] = field(default_factory=dict)  # by member and title
    places: dict[int, Waiting] = field(default_factory=dict)  # by id of the reservation
    of_member: dict[tuple[int, int], int] = field(default_factory=dict)  # that id, by member and title
    blocked: set[int] = field(default_factory=set)
    expected: set[str] = field(default_factory=set)  # the barcodes of copies in transit that somebody will receive
    waits: list[timedelta] = field(default_factory=list)  # from reservation to collection

    def is_past(self, event: Event) -> bool:
        """Whether what was planned has no point any more."""
        if event.is_repeated:
            return False
        if event.kind in (Kind.RETURN, Kind.RENEW):
            return event.member is None or (event.member, event.title) not in self.loans
        if event.reservation is None:
            return False
        place = self.places.get(event.reservation)
        if place is None:
            return True
        if event.kind in (Kind.SUSPEND, Kind.RESUME):
            return place.is_ready or place.is_suspended != (event.kind == Kind.RESUME)
        return event.kind in (Kind.FULFIL, Kind.EXPIRE) and not place.is_ready

    def lent(self, at: datetime, loan: LoanSeen) -> None:
        if loan.member is None:
            return
        self.loans[loan.member, loan.title] = loan
        reservation = self.of_member.get((loan.member, loan.title))
        if reservation is not None:
            self.waits.append(at - self.places[reservation].since)
            self.left(reservation)

    def ended(self, loan: LoanSeen) -> None:
        if loan.member is not None:
            self.loans.pop((loan.member, loan.title), None)

    def joined(self, at: datetime, place: PlaceSeen) -> None:
        if place.member is not None:
            self.places[place.id] = Waiting(place.id, place.member, place.title, at)
            self.of_member[place.member, place.title] = place.id

    def left(self, reservation: int) -> None:
        place = self.places.pop(reservation, None)
        if place is not None and self.of_member.get((place.member, place.title)) == reservation:
            del self.of_member[place.member, place.title]

    def became_ready(self, place: PlaceSeen) -> bool:
        """Whether this is news."""
        known = self.places.get(place.id)
        if known is None or known.is_ready:
            return False
        known.is_ready = True
        return True

    def was_sent(self, barcode: str) -> bool:
        """Whether this is news."""
        if barcode in self.expected:
            return False
        self.expected.add(barcode)
        return True

    def heard(self, event: Event, outcome: Outcome) -> None:
        """Take in what an event ended; what it began is told to `lent`, `joined` and `became_ready`."""
        match event.kind:
            case Kind.RETURN | Kind.LOST if outcome.loan is not None:
                self.ended(outcome.loan)
            case Kind.CANCEL if event.reservation is not None:
                self.left(event.reservation)
            case Kind.EXPIRE:
                for kind, reservation in outcome.acknowledged:
                    if kind in ("expire", "cancel") and isinstance(reservation, int):
                        self.left(reservation)
            case Kind.SUSPEND | Kind.RESUME if event.reservation in self.places:
                self.places[event.reservation].is_suspended = event.kind == Kind.SUSPEND
            case Kind.RECEIVE if event.barcode is not None:
                self.expected.discard(event.barcode)
            case Kind.UNBLOCK if event.member is not None:
                self.blocked.discard(event.member)
        if event.kind == Kind.LOST and outcome.on_shelf is not None:
            still = {place.id for place in outcome.on_shelf}
            for waiting in self.places.values():
                if waiting.title == event.title and waiting.is_ready and waiting.id not in still:
                    waiting.is_ready = False  # the copy set aside was the one that is lost

    def may_be_blocked(self, member: int) -> bool:
        """Nobody is blocked twice: whoever is, is or will be unblocked before."""
        return member not in self.blocked

    def waiting_for(self, title: int) -> int:
        return sum(place.title == title and not place.is_ready for place in self.places.values())

    def in_line(self) -> tuple[int, int]:
        """How many wait in all lines together, and in the longest."""
        lengths: dict[int, int] = {}
        for place in self.places.values():
            if not place.is_ready:
                lengths[place.title] = lengths.get(place.title, 0) + 1
        return sum(lengths.values()), max(lengths.values(), default=0)
