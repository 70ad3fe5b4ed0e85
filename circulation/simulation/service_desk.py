"""The desk that the services answer, at the time of the simulation."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import connection

from circulation import copies, members, services
from circulation.models import Loan
from circulation.simulation.desk import (
    CAME_IN,
    LENT_ON_RETURN,
    Acknowledged,
    Event,
    Holdings,
    Kind,
    LoanSeen,
    Outcome,
    PlaceSeen,
    refused,
)
from circulation.simulation.opening_hours import OPENED
from circulation.simulation.population import BRANCHES, SOURCE, Population
from events.exceptions import Busy, DomainError
from library.models import Branch, Copy
from library.services import add_title, enrol, main_branch, member_category_named
from reservations import availability
from reservations import services as line
from reservations.models import Reservation
from reservations.titles import add_copies

BOUGHT = OPENED - timedelta(days=30)
PAUSES = (0.05, 0.2, 0.5)  # seconds before an event that met a busy desk is tried again


class ServiceDesk:
    """Calls the services, each worker through a connection of its own."""

    def __init__(self, fulfil_on_return: Literal["hold", "loan"]) -> None:
        self._fulfil_on_return = fulfil_on_return
        self._counting = threading.Lock()
        self._again: Counter[str] = Counter()

    def stock(self, population: Population) -> Holdings:
        self._branches = [main_branch(), Branch.objects.create(name="Harbour")]
        assert len(self._branches) == BRANCHES
        category = member_category_named(None)
        books = {
            title.number: add_title(
                at=BOUGHT,
                copies=0,
                title=title.name,
                authors=title.author,
                source=SOURCE,
                source_id=str(title.number),
            ).pk
            for title in population.titles
        }
        for title in population.titles:
            for branch in title.copies:
                add_copies(book_id=books[title.number], branch=self._branches[branch], at=BOUGHT)
        people = {
            person.number: enrol(
                at=BOUGHT,
                first_name=person.first_name,
                last_name=person.last_name,
                branch=self._branches[person.branch],
                category=category,
                source=SOURCE,
                source_id=str(person.number),
            ).pk
            for person in population.people
        }
        self._titles = {book_id: number for number, book_id in books.items()}
        self._members = {member_id: number for number, member_id in people.items()}
        barcodes: dict[int, list[str]] = {number: [] for number in books}
        for book_id, barcode in Copy.objects.order_by("id").values_list("book_id", "barcode"):
            barcodes[self._titles[book_id]].append(barcode)
        self._holdings = Holdings(books, barcodes, people)
        return self._holdings

    def perform(self, event: Event) -> Outcome:
        book_id = self._holdings.book_ids[event.title]
        if event.looked_before:
            availability.of(book_id)
        for pause in (*PAUSES, None):
            try:
                outcome = self._perform(event, book_id)
                on_the_way = Copy.objects.filter(book=book_id, status=Copy.Status.IN_TRANSIT).order_by("id")
                return replace(outcome, on_the_way=tuple(on_the_way.values_list("barcode", flat=True)))
            except Busy as busy:
                if pause is None:
                    return refused(busy.code)
                with self._counting:
                    self._again["busy"] += 1
                time.sleep(pause)
            except DomainError as error:
                return refused(error.code)
        raise AssertionError("unreachable")

    def leave(self) -> None:
        connection.close()

    @property
    def troubles(self) -> dict[str, int]:
        return dict(self._again)

    def _perform(self, event: Event, book_id: int) -> Outcome:
        at, member_id = event.at, self._holdings.member_ids.get(event.member or 0)
        match event.kind:
            case Kind.CHECKOUT:
                return self._check_out(event, book_id)
            case Kind.RETURN:
                return self._take_back(event, book_id)
            case Kind.RENEW:
                barcode = event.barcode if event.loan is None else None
                loan = services.renew(at=at, loan_id=event.loan, barcode=barcode)
                return self._lent("renewed", loan, at, "renew")
            case Kind.RESERVE:
                assert member_id is not None
                branch = self._branch(event)
                return self._joined(line.reserve(member_id=member_id, book_id=book_id, branch=branch, at=at), at)
            case Kind.FULFIL if event.reservation is None:
                return self._lent("lent", services.fulfil_head(book_id=book_id, at=at), at)
            case Kind.FULFIL:
                assert event.reservation is not None
                return self._lent("lent", services.fulfil(reservation_id=event.reservation, at=at), at)
            case Kind.LOST | Kind.FOUND:
                return self._lose_or_find(event, book_id)
            case Kind.RECEIVE:
                return self._receive(event)
            case Kind.BLOCK | Kind.UNBLOCK:
                assert member_id is not None
                reason = "card reported stolen" if event.kind == Kind.BLOCK else ""
                members.edit(member_id=member_id, fields={"blocked_reason": reason}, at=at)
                on_shelf = self._set_aside(member=member_id, at=at) if not reason else ()
                return Outcome(f"{event.kind}ed", on_shelf=on_shelf, acknowledged=[_done("member.edited", member_id)])
            case Kind.EXPIRE:
                ended = line.expire(book_id=book_id, at=at)
                told = [_done("expire", reservation.pk) for reservation in ended]
                on_shelf = self._set_aside(book=book_id, at=at)
                return Outcome("not collected" if ended else "nothing to do", on_shelf=on_shelf, acknowledged=told)
            case Kind.CANCEL | Kind.SUSPEND | Kind.RESUME:
                assert event.reservation is not None
                words = {Kind.CANCEL: "cancelled", Kind.SUSPEND: "suspended", Kind.RESUME: "resumed"}
                if event.kind == Kind.CANCEL:
                    line.cancel(reservation_id=event.reservation, at=at)
                elif event.kind == Kind.SUSPEND:
                    line.suspend(reservation_id=event.reservation, at=at)
                else:
                    line.resume(reservation_id=event.reservation, at=at)
                on_shelf = self._set_aside(book=book_id, at=at)
                return Outcome(
                    words[event.kind], on_shelf=on_shelf, acknowledged=[_done(event.kind, event.reservation)]
                )

    def _check_out(self, event: Event, book_id: int) -> Outcome:
        assert event.member is not None
        done = services.check_out(
            member_id=self._holdings.member_ids[event.member],
            at=event.at,
            book_id=None if event.barcode else book_id,
            barcode=event.barcode,
            branch=self._branch(event),
            on_unavailable="refuse" if event.takes_no_for_an_answer else None,
        )
        if isinstance(done, services.Queued):
            return self._joined(done.reservation, event.at)
        # Whoever takes another copy than the one set aside for them leaves that one to the next in line.
        on_shelf = self._set_aside(book=book_id, at=event.at) if event.barcode else ()
        return self._lent("lent", done.loan, event.at, on_shelf=on_shelf)

    def _take_back(self, event: Event, book_id: int) -> Outcome:
        named: dict[str, Any] = {"barcode": event.barcode}
        if event.barcode is None:
            named = {"loan_id": event.loan}
        if event.barcode is None and event.loan is None:
            assert event.member is not None
            named = {"member_id": self._holdings.member_ids[event.member], "book_id": book_id}
        done = services.return_copy(
            at=event.at, branch=self._branch(event), fulfil_on_return=self._fulfil_on_return, **named
        )
        told = [_done("return", done.loan.pk)]
        place = self._place(done.next.reservation, event.at) if done.next.reservation else None
        if done.next.action == "lend" and place:
            told.append(_done(LENT_ON_RETURN, place.id))
            # It is told of as lent from here on, for as long as it was lent before.
            days = (done.loan.due_at - done.loan.lent_at).days
            return Outcome("lent on", loan=self._loan(done.loan, days), place=place, acknowledged=told)
        return Outcome(CAME_IN[done.next.action], loan=self._loan(done.loan, 0), place=place, acknowledged=told)

    def _receive(self, event: Event) -> Outcome:
        assert event.barcode is not None
        step = copies.receive(barcode=event.barcode, branch=self._branch(event), at=event.at).next
        assert step is not None
        place = self._place(step.reservation, event.at) if step.reservation else None
        return Outcome(CAME_IN[step.action], place=place, acknowledged=[_done("receive", event.barcode)])

    def _lose_or_find(self, event: Event, book_id: int) -> Outcome:
        assert event.barcode is not None
        if event.kind == Kind.FOUND:
            copies.mark_found(barcode=event.barcode, branch=self._branch(event), at=event.at)
        else:
            copies.mark_lost(barcode=event.barcode, at=event.at)
        borrowed = event.kind == Kind.LOST and event.member is not None
        loan = LoanSeen(event.loan, event.title, event.member, event.barcode, 0) if borrowed else None
        told = [_done(event.kind, event.barcode)]
        on_shelf = self._set_aside(book=book_id, at=event.at)
        return Outcome(event.kind, loan=loan, on_shelf=on_shelf, acknowledged=told)

    def _branch(self, event: Event) -> Branch | None:
        return None if event.branch is None else self._branches[event.branch]

    # --- What the services answered, in the words of a simulation ------------------------------------------------

    def _lent(
        self, result: str, loan: Loan, at: datetime, kind: str = "checkout", on_shelf: Iterable[PlaceSeen] = ()
    ) -> Outcome:
        seen = self._loan(loan, (loan.due_at - at).days)
        return Outcome(result, loan=seen, on_shelf=tuple(on_shelf), acknowledged=[_done(kind, loan.pk)])

    def _joined(self, reservation: Reservation, at: datetime) -> Outcome:
        told = [_done("reserve", reservation.pk)]
        return Outcome("joined", place=self._place(reservation, at), acknowledged=told)

    def _loan(self, loan: Loan, days: int) -> LoanSeen:
        member = self._members.get(loan.member_id or 0)
        return LoanSeen(loan.pk, self._titles[loan.book_id], member, loan.copy.barcode, days)

    def _place(self, place: Reservation, at: datetime) -> PlaceSeen:
        return PlaceSeen(
            place.pk,
            self._titles[place.book_id],
            self._members.get(place.member_id or 0),
            is_ready=place.status == Reservation.Status.READY,
            placed_at=place.placed_at,
            days=(place.shelf_until - at).days if place.shelf_until else 0,
        )

    def _set_aside(self, *, at: datetime, book: int | None = None, member: int | None = None) -> tuple[PlaceSeen, ...]:
        ready = Reservation.objects.filter(status=Reservation.Status.READY).in_order()
        ready = ready.filter(book=book) if book is not None else ready.filter(member=member)
        return tuple(self._place(place, at) for place in ready)


def _done(kind: str, of: int | str) -> Acknowledged:
    return Acknowledged(kind, of)
