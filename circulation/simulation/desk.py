"""What a desk is asked in a simulation, and what it answers, whether by services or over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from circulation.simulation.population import Population


class Kind(StrEnum):
    """What can happen. The words are those of the library's own events, as far as it has one for it."""

    CHECKOUT = "checkout"
    RETURN = "return"
    RENEW = "renew"
    RESERVE = "reserve"
    FULFIL = "fulfil"
    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    EXPIRE = "expire"
    LOST = "lost"
    FOUND = "found"
    RECEIVE = "receive"
    BLOCK = "block"
    UNBLOCK = "unblock"


@dataclass(frozen=True)
class Event:
    """Something that happens. Titles, members and branches are named by their numbers in the population.

    A loan or reservation is named by the id that the desk gave it, a copy by its barcode; what is not named is found
    by member and title.
    """

    kind: Kind
    at: datetime
    title: int
    member: int | None = None
    barcode: str | None = None
    loan: int | None = None
    reservation: int | None = None
    branch: int | None = None  # where; None: nobody said
    takes_no_for_an_answer: bool = False  # does not join the line when nothing is free
    looked_before: bool = False  # somebody asked for the availability of the title just before
    is_repeated: bool = False  # by another desk, which does not know that it was done
    number: int = 0  # from 1, once it happens

    def __str__(self) -> str:
        who = "" if self.member is None else f", member {self.member}"
        what = "" if self.barcode is None else f", copy {self.barcode}"
        return f"event {self.number}: {self.kind}, title {self.title}{who}{what}, {self.at:%Y-%m-%d %H:%M:%S}"


@dataclass(frozen=True)
class LoanSeen:
    """A loan as the desk told of it. `days` are those until it is due; `id` is None where the desk did not say."""

    id: int | None
    title: int
    member: int | None  # None: somebody who is not of this simulation
    barcode: str
    days: int


@dataclass(frozen=True)
class PlaceSeen:
    """A place in a line as the desk told of it. `days` are those on the hold shelf once a copy is set aside."""

    id: int
    title: int
    member: int | None
    is_ready: bool
    placed_at: datetime
    days: int = 0


class Acknowledged(NamedTuple):
    """A change that the desk said was made, by the kind of its event and what that event must tell of.

    That is a loan's id for checkout, return and renew, a barcode for lost, found and receive, a member's id for
    member.edited, otherwise a reservation's id. A loan made by a return is known by the reservation that it fulfilled.
    """

    kind: str
    of: int | str


LENT_ON_RETURN = "lent on return"
# What became of a copy that came in, by what the desk said is to be done with it.
CAME_IN = {"shelve": "shelved", "hold": "set aside", "transit": "sent on"}


@dataclass(frozen=True)
class Outcome:
    """What became of an event: a word for it, or the code of the refusal; and what the desk told."""

    result: str
    is_refused: bool = False
    loan: LoanSeen | None = None
    place: PlaceSeen | None = None  # joined, left, or given the copy that came in
    on_shelf: Sequence[PlaceSeen] = ()  # what is set aside now, where the event may have changed that
    on_the_way: Sequence[str] = ()  # the barcodes of the title's copies that are in transit now
    acknowledged: Sequence[Acknowledged] = ()


def refused(code: str) -> Outcome:
    return Outcome(code, is_refused=True)


@dataclass(frozen=True)
class Holdings:
    """What the desk calls the titles and members of the population, by their numbers."""

    book_ids: dict[int, int]
    barcodes: dict[int, list[str]]
    member_ids: dict[int, int]


class Desk(Protocol):
    """Carries events out. `perform` is called by several workers at a time; whatever it raises is a defect."""

    def stock(self, population: Population) -> Holdings:
        """Add the titles and members, before everything else."""

    def perform(self, event: Event) -> Outcome: ...

    def leave(self) -> None:
        """A worker has finished its work."""

    @property
    def troubles(self) -> dict[str, int]:
        """What had to be tried again, and why: for the report."""
