"""The rules of the desk, stated once more in plain Python: no database, no locks, nothing at once.

Written from the description of the rules, not from the services, so that a mistake must be made twice to go unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from tests.model.rows import (
    AVAILABLE,
    CANCELLED,
    DAMAGED,
    EXPIRED,
    FULFILLED,
    IN_TRANSIT,
    LOST,
    MISSING,
    ON_HOLD_SHELF,
    ON_LOAN,
    READY,
    SUSPENDED,
    WAITING,
    WITHDRAWN,
    Copy,
    Loan,
    Member,
    Reservation,
    Terms,
    Title,
    closing_after,
)

# What can be said about a copy that is not lent: which states it may be in, and the state that follows.
TAKE_OUT = {
    LOST: {AVAILABLE, ON_HOLD_SHELF, IN_TRANSIT, MISSING, DAMAGED},
    MISSING: {AVAILABLE, ON_HOLD_SHELF, IN_TRANSIT, DAMAGED},
    DAMAGED: {AVAILABLE, ON_HOLD_SHELF, IN_TRANSIT, MISSING, LOST},
    WITHDRAWN: {AVAILABLE, ON_HOLD_SHELF, IN_TRANSIT, MISSING, LOST, DAMAGED},
}
OVERRIDABLE = {
    "MEMBER_BLOCKED",
    "MEMBER_EXPIRED",
    "MEMBER_HAS_OVERDUE",
    "LOAN_LIMIT_REACHED",
    "LOAN_TOO_LONG",
    "RESERVATION_LIMIT_REACHED",
    "RENEWAL_LIMIT_REACHED",
    "RENEWAL_BLOCKED_BY_RESERVATION",
}


class Refused(Exception):
    """Why not: every reason, in order."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)


def refuse(codes: list[str], override: frozenset[str] = frozenset()) -> None:
    if standing := [code for code in codes if not (code in override and code in OVERRIDABLE)]:
        raise Refused(*standing)


def refuse_withdrawn(title: Title, code: str = "BOOK_NOT_FOUND") -> None:
    if title.withdrawn_at:
        raise Refused(code)


@dataclass
class Library:
    members: list[Member] = field(default_factory=list)
    titles: list[Title] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    loans: list[Loan] = field(default_factory=list)
    reservations: list[Reservation] = field(default_factory=list)
    unsettled: set[Title] = field(default_factory=set)  # titles whose line did not hear of a member's change yet
    terms: dict[tuple[str, str], Terms] = field(default_factory=dict)  # by kind of member and of title; "" is any

    # --- Questions -------------------------------------------------------------------------------------------

    def terms_for(self, member: Member, title: Title) -> Terms:
        wanted = [(member.kind, title.kind), (member.kind, ""), ("", title.kind), ("", "")]
        return next((self.terms[pair] for pair in wanted if pair in self.terms), Terms())

    def open_loans(self, member: Member) -> list[Loan]:
        return [loan for loan in self.loans if loan.member is member and loan.returned_at is None]

    def has(self, member: Member, title: Title) -> bool:
        return any(loan.copy.title is title for loan in self.open_loans(member))

    def free(self, title: Title) -> list[Copy]:
        return [copy for copy in self.copies if copy.title is title and copy.state == AVAILABLE]

    def line(self, title: Title) -> list[Reservation]:
        line = [reservation for reservation in self.reservations if reservation.title is title and reservation.live]
        return sorted(line, key=lambda r: (r.priority, r.placed_at, self.reservations.index(r)))

    def eligible(self, title: Title, now: datetime) -> list[Reservation]:
        """Those in the line, in order, who could be given a copy now."""
        return [
            reservation
            for reservation in self.line(title)
            if reservation.copy is None and self.could_have_one(reservation, now)
        ]

    def could_have_one(self, reservation: Reservation, now: datetime) -> bool:
        return (
            reservation.state == WAITING
            and not (reservation.needed_by and reservation.needed_by < now)
            and reservation.member is not None
            and not self.against_member(reservation.member, now)
        )

    def is_stranded(self, title: Title, now: datetime) -> bool:
        return title.circulating and bool(self.free(title) and self.eligible(title, now))

    def place_of(self, member: Member, title: Title) -> Reservation | None:
        return next((reservation for reservation in self.line(title) if reservation.member is member), None)

    def ahead_of(self, member: Member, title: Title, now: datetime) -> int:
        """How many others go first: those before the member's place, or all, if the member has none (any more)."""
        others = [reservation for reservation in self.eligible(title, now) if reservation.member is not member]
        place = self.place_of(member, title)
        if place is None or (place.state != READY and place.needed_by and place.needed_by < now):
            return len(others)
        line = self.line(title)
        return sum(line.index(other) < line.index(place) for other in others)

    # --- Reasons against ---------------------------------------------------------------------------------------

    def against_member(self, member: Member, now: datetime) -> list[str]:
        expired = member.expires_on is not None and member.expires_on < now.date()
        return ["MEMBER_BLOCKED"] * member.blocked + ["MEMBER_EXPIRED"] * expired

    def against_loan(self, member: Member, title: Title, now: datetime, days: int | None = None) -> list[str]:
        terms, loans = self.terms_for(member, title), self.open_loans(member)
        overdue = any(loan.due_at < now for loan in loans) and not terms.lend_while_overdue
        return [
            *self.against_member(member, now),
            *["MEMBER_HAS_OVERDUE"] * overdue,
            *["LOAN_LIMIT_REACHED"] * (len(loans) >= terms.max_loans),
            *["LOAN_TOO_LONG"] * (days is not None and days > terms.loan_days),
            *["ALREADY_BORROWED"] * self.has(member, title),
            *["COPY_NOT_CIRCULATING"] * (not title.circulating),
        ]

    def against_joining(self, member: Member, title: Title, now: datetime) -> list[str]:
        live = [reservation for reservation in self.reservations if reservation.member is member and reservation.live]
        exists = any(reservation.title is title for reservation in live)
        full = len(live) >= self.terms_for(member, title).max_reservations
        return [
            *self.against_member(member, now),
            *["RESERVATION_EXISTS"] * exists,
            *["RESERVATION_LIMIT_REACHED"] * (full and not exists),
            *["ALREADY_BORROWED"] * self.has(member, title),
            *["COPY_NOT_CIRCULATING"] * (not title.circulating),
        ]

    def against_copy(self, copy: Copy | None, member: Member, asked: bool) -> list[str]:
        """Why a copy that the member may not take is not theirs to take."""
        if copy is None or not asked:
            return ["NO_COPY_AVAILABLE"]
        if copy.state == ON_LOAN:
            return ["COPY_ON_LOAN"] if copy.holder is not member else []
        return ["COPY_HELD_FOR_OTHER" if copy.state in (ON_HOLD_SHELF, AVAILABLE) else "COPY_NOT_CIRCULATING"]

    # --- The desk ----------------------------------------------------------------------------------------------

    def check_out(
        self,
        now: datetime,
        member: Member,
        title: Title,
        asked: Copy | None = None,
        days: int | None = None,
        on_unavailable: str | None = None,
        override: frozenset[str] = frozenset(),
        here: int | None = None,
    ) -> Loan | Reservation:
        """With a branch, by its hours from UTC, a copy that stands there."""
        refuse_withdrawn(title, "COPY_NOT_FOUND" if asked else "BOOK_NOT_FOUND")
        place = self.place_of(member, title)
        held = place.copy if place and place.state == READY else None
        at_hand = [held] if held and place and here in (None, place.pick_up) else []
        at_hand += [copy for copy in self.free(title) if here in (None, copy.hours_from_utc)]
        copy = asked or next(iter(at_hand), None)
        enough = len(self.free(title)) > self.ahead_of(member, title, now)
        theirs = copy is not None and (copy is held or (copy.state == AVAILABLE and (enough or held is not None)))
        may_wait = (on_unavailable or ("refuse" if asked else "reserve")) == "reserve"
        if not theirs and (not enough or (here is not None and copy is None)) and may_wait:
            refuse(self.against_joining(member, title, now), override)
            return self.join(now, member, title, pick_up=here or 0)
        against_copy = [] if theirs else self.against_copy(copy, member, asked is not None)
        refuse([*self.against_loan(member, title, now, days), *against_copy], override)
        assert copy is not None
        return self.lend(now, member, copy, days)

    def lend(self, now: datetime, member: Member, copy: Copy, days: int | None = None) -> Loan:
        terms = self.terms_for(member, copy.title)
        due_at = closing_after(now, terms.loan_days if days is None else days, copy.hours_from_utc)
        place = self.place_of(member, copy.title)
        if place and place.copy is not copy:
            self.release(place)
        copy.becomes(ON_LOAN, member, due_at)
        if place:
            place.becomes(FULFILLED, now, copy)
        loan = Loan(copy, member, now, due_at)
        self.loans.append(loan)
        self.settle(now, copy.title)
        return loan

    def give_back(
        self,
        now: datetime,
        loan: Loan,
        lend_on: bool,
        override: frozenset[str] = frozenset(),
        here: int | None = None,
    ) -> tuple[str, Reservation | None]:
        if loan.returned_at:
            raise Refused("COPY_NOT_ON_LOAN")
        loan.returned_at, copy, title = now, loan.copy, loan.copy.title
        copy.becomes(AVAILABLE)
        head = next(iter(self.eligible(title, now)), None) if title.circulating else None
        here = copy.hours_from_utc if here is None else here
        if lend_on and head and head.member and head.pick_up == here:
            against = set(self.against_loan(head.member, title, now))
            if against <= override & OVERRIDABLE:
                self.lend(now, head.member, copy)
                return "lend", head
        return self.take_in(now, copy, here)

    def take_in(self, now: datetime, copy: Copy, here: int) -> tuple[str, Reservation | None]:
        """A copy that is free came in at a branch: for the line, or its own shelf, wherever that is."""
        self.settle(now, copy.title, copy, here)
        if copy.state == AVAILABLE and here != copy.hours_from_utc:
            copy.becomes(IN_TRANSIT)
        return self.what_next(copy)

    def what_next(self, copy: Copy) -> tuple[str, Reservation | None]:
        place = next((r for r in self.line(copy.title) if r.copy is copy), None)
        return {ON_HOLD_SHELF: "hold", IN_TRANSIT: "transit"}.get(copy.state, "shelve"), place

    def receive(self, now: datetime, copy: Copy, here: int | None) -> tuple[str, Reservation | None]:
        refuse_withdrawn(copy.title, "COPY_NOT_FOUND")
        if copy.state != IN_TRANSIT:
            raise Refused("INVALID_TRANSITION")
        place = next((r for r in self.line(copy.title) if r.copy is copy), None)
        if here is None:
            here = place.pick_up if place else copy.hours_from_utc
        copy.becomes(AVAILABLE)
        if place and self.could_have_one(place, now):
            self.give(now, place, copy, here)
            return self.what_next(copy)
        if place:
            place.becomes(WAITING, now)
        return self.take_in(now, copy, here)

    def renew(self, now: datetime, loan: Loan, override: frozenset[str]) -> None:
        if loan.returned_at or loan.member is None:
            raise Refused("COPY_NOT_ON_LOAN")
        title, terms = loan.copy.title, self.terms_for(loan.member, loan.copy.title)
        blocked = len(self.eligible(title, now)) > len(self.free(title))
        reasons = self.against_member(loan.member, now)
        reasons += ["RENEWAL_LIMIT_REACHED"] * (loan.renewals >= terms.max_renewals)
        refuse(reasons + ["RENEWAL_BLOCKED_BY_RESERVATION"] * blocked, override)
        loan.due_at = loan.copy.due_at = max(loan.due_at, closing_after(now, terms.loan_days, loan.copy.hours_from_utc))
        loan.renewals += 1

    # --- The line ----------------------------------------------------------------------------------------------

    def settle(self, now: datetime, title: Title, came_in: Copy | None = None, here: int = 0) -> None:
        """Nobody who could have a copy waits beside one. Each in turn takes one that is near, if there is one."""
        self.unsettled.discard(title)
        free = self.free(title)
        for reservation in self.eligible(title, now) if title.circulating else []:
            if free:
                places = {copy: here if copy is came_in else copy.hours_from_utc for copy in free}
                copy = next((copy for copy in free if places[copy] == reservation.pick_up), free[0])
                free.remove(copy)
                self.give(now, reservation, copy, places[copy])

    def give(
        self, now: datetime, reservation: Reservation, copy: Copy, place: int, until: datetime | None = None
    ) -> None:
        until = until or reservation.shelf_until
        if place != reservation.pick_up:
            copy.becomes(IN_TRANSIT)
            reservation.copy, reservation.shelf_until = copy, until
            return
        assert reservation.member is not None
        days = self.terms_for(reservation.member, copy.title).shelf_days
        copy.becomes(ON_HOLD_SHELF, reservation.member)
        reservation.becomes(READY, now, copy, until or closing_after(now, days, place))

    def release(self, reservation: Reservation) -> None:
        """What was set aside is free; away from home it goes there."""
        copy = reservation.copy
        if copy and reservation.state == READY:
            copy.becomes(AVAILABLE if copy.hours_from_utc == reservation.pick_up else IN_TRANSIT)

    def join(
        self, now: datetime, member: Member, title: Title, needed_by: datetime | None = None, pick_up: int = 0
    ) -> Reservation:
        reservation = Reservation(title, member, now, needed_by, pick_up)
        self.reservations.append(reservation)
        self.settle(now, title)
        return reservation

    def reserve(
        self,
        now: datetime,
        member: Member,
        title: Title,
        needed_by: datetime | None,
        pick_up: int,
        override: frozenset[str],
    ) -> Reservation:
        refuse_withdrawn(title)
        free = self.free(title)
        there = any(copy.hours_from_utc == pick_up for copy in free)
        take_it = title.circulating and there and len(free) > len(self.eligible(title, now))
        refuse(self.against_joining(member, title, now) + ["COPY_AVAILABLE"] * take_it, override)
        return self.join(now, member, title, needed_by, pick_up)

    def reserve_until(
        self, now: datetime, member: Member, title: Title, until: datetime, hours: int, override: frozenset[str]
    ) -> Reservation:
        """The copy that is set aside is one of the branch so many hours from UTC, if it has one."""
        refuse_withdrawn(title)
        refuse(self.against_joining(member, title, now), override)
        free = sorted(self.free(title), key=lambda copy: copy.hours_from_utc != hours)
        is_free = len(free) > len(self.eligible(title, now))
        reservation = Reservation(title, member, now, until, hours)
        self.reservations.append(reservation)
        if is_free:
            self.give(now, reservation, free[0], free[0].hours_from_utc, until)
        self.settle(now, title)
        return reservation

    def leave(self, now: datetime, reservation: Reservation, state: str) -> None:
        """End a place in the line; its copy, if it had one, is free."""
        self.release(reservation)
        reservation.becomes(state, now)

    def change(self, now: datetime, reservation: Reservation, how: str, priority: int = 0) -> None:
        """Cancel, suspend, resume or reorder."""
        if not reservation.live:
            raise Refused("RESERVATION_CLOSED")
        required = {"suspend": WAITING, "resume": SUSPENDED}.get(how, reservation.state)
        if reservation.state != required:
            raise Refused("INVALID_TRANSITION")
        if how == "cancel":
            self.leave(now, reservation, CANCELLED)
        elif how == "reorder":
            reservation.priority = priority
        else:
            reservation.becomes(SUSPENDED if how == "suspend" else WAITING, now)
        if how != "suspend":
            self.settle(now, reservation.title)

    def fulfil(self, now: datetime, reservation: Reservation, override: frozenset[str]) -> Loan:
        member, title = reservation.member, reservation.title
        if not reservation.live or member is None:
            raise Refused("RESERVATION_CLOSED")
        held = reservation.copy if reservation.state == READY else None
        copy = held or next(iter(self.free(title)), None)
        in_turn = len(self.free(title)) > self.ahead_of(member, title, now)
        if copy is None or not (held or in_turn):
            raise Refused("NO_COPY_TO_FULFILL")
        refuse(self.against_loan(member, title, now), override)
        return self.lend(now, member, copy)

    def fulfil_head(self, now: datetime, title: Title, override: frozenset[str]) -> Loan:
        refuse_withdrawn(title)
        line = self.line(title)
        served = [r for r in line if r.state == READY] or (self.free(title) and self.eligible(title, now))
        if not served:
            raise Refused("NO_COPY_TO_FULFILL" if line else "QUEUE_EMPTY")
        return self.fulfil(now, served[0], override)

    def lapsed(self, title: Title, now: datetime) -> list[Reservation]:
        """Those not collected in time, and those no longer of use."""
        lasting = [(r, r.shelf_until if r.state == READY else r.needed_by) for r in self.line(title)]
        return [reservation for reservation, until in lasting if until and until < now]

    def expire(self, now: datetime, title: Title) -> list[Reservation]:
        refuse_withdrawn(title)
        lapsed = self.lapsed(title, now)
        for reservation in lapsed:
            self.leave(now, reservation, EXPIRED)
        self.settle(now, title)
        return lapsed

    # --- Copies, titles, members ---------------------------------------------------------------------------------

    def take_out(self, now: datetime, copy: Copy, state: str) -> None:
        refuse_withdrawn(copy.title, "COPY_NOT_FOUND")
        if copy.state == ON_LOAN and state != LOST:
            raise Refused("COPY_ON_LOAN")
        if copy.state != ON_LOAN and copy.state not in TAKE_OUT[state]:
            raise Refused("INVALID_TRANSITION")
        for loan in self.loans:
            if loan.copy is copy and loan.returned_at is None:
                loan.returned_at = now
        for reservation in self.line(copy.title):
            if reservation.copy is copy:
                reservation.becomes(WAITING, now)
        copy.becomes(state)
        self.settle(now, copy.title)

    def bring_back(
        self, now: datetime, copy: Copy, origins: set[str], here: int | None = None
    ) -> tuple[str, Reservation | None]:
        refuse_withdrawn(copy.title, "COPY_NOT_FOUND")
        if copy.state not in origins:
            raise Refused("INVALID_TRANSITION")
        copy.becomes(AVAILABLE)
        return self.take_in(now, copy, copy.hours_from_utc if here is None else here)

    def add_copies(self, now: datetime, title: Title, barcodes: list[str], hours_from_utc: int) -> None:
        refuse_withdrawn(title)
        self.copies += [Copy(title, barcode, hours_from_utc) for barcode in barcodes]
        self.settle(now, title)

    def edit_title(self, now: datetime, title: Title, circulating: bool, kind: str) -> None:
        refuse_withdrawn(title)
        title.circulating, title.kind = circulating, kind
        if not circulating:
            for reservation in self.line(title):
                self.leave(now, reservation, CANCELLED)
        self.settle(now, title)

    def withdraw_title(self, now: datetime, title: Title) -> None:
        refuse_withdrawn(title)
        copies = [copy for copy in self.copies if copy.title is title]
        if any(copy.state == ON_LOAN for copy in copies):
            raise Refused("BOOK_HAS_OPEN_LOANS")
        for reservation in self.line(title):
            self.leave(now, reservation, CANCELLED)
        for copy in copies:
            copy.becomes(WITHDRAWN)
        title.withdrawn_at, title.circulating = now, False

    def edit_member(self, now: datetime, member: Member, blocked: bool, expires_on: date | None, settled: bool) -> None:
        """Unsettled, the lines do not hear of it until something else happens to their titles."""
        member.blocked, member.expires_on = blocked, expires_on
        for title in self.titles:
            if self.place_of(member, title):
                self.unsettled.add(title)
                if settled:
                    self.settle(now, title)

    def delete_member(self, member: Member) -> None:
        live = any(reservation.member is member and reservation.live for reservation in self.reservations)
        refuse(["MEMBER_HAS_OPEN_LOANS"] * bool(self.open_loans(member)) + ["RESERVATION_EXISTS"] * live)
        member.deleted = True
        for past in (*self.loans, *self.reservations):
            if past.member is member:
                past.member = None
