"""The desk against its model: whatever is done in whatever order, both answer alike and end up alike.

It is as long as it is because it is one state machine: a rule for each operation, all on the same library.

MODEL_SEEDS=500 looks at so many times more than the few that are looked at every time.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from circulation import copies as copy_services
from circulation import members as member_services
from circulation import services
from circulation.invariants import broken
from events.exceptions import DomainError
from library import models as library
from library import services as library_services
from library.exceptions import Override, Refusal
from reservations import services as line_services
from reservations import titles as title_services
from tests.factories import BranchFactory, MemberCategoryFactory
from tests.model import rows
from tests.model.model import OVERRIDABLE, Library, Refused

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
HOURS_FROM_UTC = {"UTC": 0, "Pacific/Kiritimati": 14, "America/Phoenix": -7}  # none of them changes its clocks

# Per seed. After the tenth, Hypothesis prefers variations of what it had, which here are repetitions of a step.
HISTORIES = 10

which = st.integers(0, 11)  # one of however many there are
RARELY = 11  # stands for one that the operation is not meant for
places = st.none() | st.sampled_from(sorted(HOURS_FROM_UTC.values()))  # a branch, or none named
overrides = st.one_of(
    st.just(frozenset()),
    st.just(frozenset(OVERRIDABLE)),
    st.sampled_from(sorted(OVERRIDABLE)).map(lambda c: frozenset({c})),
)
terms = st.builds(
    rows.Terms,
    loan_days=st.integers(1, 4),
    max_loans=st.integers(1, 3),
    max_renewals=st.integers(0, 2),
    max_reservations=st.integers(1, 3),
    shelf_days=st.integers(0, 3),
    lend_while_overdue=st.booleans(),
)
spans = st.sampled_from(
    [timedelta(seconds=1), timedelta(hours=7), timedelta(days=1), timedelta(days=3), timedelta(days=9)]
)


def pick(things, number):
    return things[number % len(things)]


class Desk(RuleBasedStateMachine):
    """Does everything twice: in the model, and at the desk."""

    branches: ClassVar[dict[int, library.Branch]]  # by hours from UTC
    categories: ClassVar[dict[str, library.MemberCategory]]  # by kind of member
    first_members: ClassVar[list[library.Member]]
    first_titles: ClassVar[list[library.Book]]

    @classmethod
    def stock(cls):
        """What every history begins with, made once: three titles with four copies, and four members."""
        cls.branches = {
            hours: BranchFactory(
                time_zone=zone,
                closing_times=[None if day in rows.CLOSES[hours][1] else rows.CLOSES[hours][0] for day in range(7)],
            )
            for zone, hours in HOURS_FROM_UTC.items()
        }
        cls.categories = {"": library_services.member_category_named(None), "child": MemberCategoryFactory()}
        cls.first_members = [
            library_services.enrol(first_name="Ada", category=cls.categories[kind], branch=cls.branches[0], at=START)
            for kind in ("", "", "child", "child")
        ]
        cls.first_titles = [
            library_services.add_title(title="A title", category=kind, copies=0, at=START) for kind in ("", "film", "")
        ]

    def __init__(self):
        super().__init__()
        self.undo = transaction.atomic()
        self.undo._from_testcase = True  # as around any test, so that operations may be durable inside
        self.undo.__enter__()
        self.now = START
        self.model = Library()
        self.members: dict[rows.Member, library.Member] = {}
        self.titles: dict[rows.Title, library.Book] = {}
        self.ids = {None: None}  # of loans and reservations, as they were after the last step
        self.answers = []  # which rows the desk said it made or changed, to be compared with those of the model
        self.calls = 0

    def teardown(self):
        try:
            self.everything_is_sound()
        finally:
            transaction.set_rollback(True)
            self.undo.__exit__(None, None, None)
        with connection.cursor() as cursor:  # or what was undone slows down the histories to come
            cursor.execute(f"VACUUM {', '.join(WRITTEN)}")

    @initialize(general=terms, lent=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def open(self, general, lent):
        """To begin with, the titles have one, two and one copies, and some members come for each of them."""
        self.members = {
            rows.Member(kind): row for kind, row in zip(("", "", "child", "child"), self.first_members, strict=True)
        }
        self.titles = {rows.Title(kind): row for kind, row in zip(("", "film", ""), self.first_titles, strict=True)}
        self.model.members, self.model.titles = list(self.members), list(self.titles)
        self.set_terms("", "", general)
        for number, (zone, visits) in enumerate(zip(HOURS_FROM_UTC, lent, strict=True)):
            self.add_copies(number, 1 + number % 2, zone)
            for member in range(number, number + visits):
                self.check_out(self.some_member(member), self.some_title(number))

    # --- Both at once ----------------------------------------------------------------------------------------

    def both(self, in_model, operation, **arguments):
        """Do it in the model and at the desk, which must agree. Returns both results, or two times None if refused.

        Every fifth operation is rehearsed before, which must tell the same and change nothing.
        """
        self.calls += 1
        rehearsed = outcome_of(operation.rehearse, arguments) if self.calls % 5 == 0 else None
        done = outcome_of(operation, arguments)
        try:
            expected, codes = in_model(), []
        except Refused as refused:
            expected, codes = None, refused.codes
        result, actual_codes = done
        assert actual_codes == codes, f"{operation.__name__}: the desk says {actual_codes}, the model {codes}"
        if rehearsed:
            assert rehearsed[1] == codes
            assert type(rehearsed[0]) is type(result)
        return expected, result

    def living(self):
        return [member for member in self.model.members if not member.deleted]

    def open_loans(self):
        return [loan for loan in self.model.loans if loan.returned_at is None]

    def live(self):
        return [reservation for reservation in self.model.reservations if reservation.live]

    def lines(self):
        """Titles with somebody in the line."""
        return [title for title in self.model.titles if self.model.line(title)]

    def lapsed(self):
        """Titles with something to expire."""
        return [title for title in self.lines() if self.model.lapsed(title, self.now)]

    def held(self):
        return [title for title in self.model.titles if not title.withdrawn_at]

    def some_member(self, number):
        return pick(self.living(), number)

    def some_title(self, number):
        """One that the library holds; now and then any."""
        return pick(self.model.titles if number == RARELY else self.held(), number)

    def some_wanted_title(self, number):
        """One of which nothing is free, if there is any, more often than not."""
        wanted = [title for title in self.held() if not self.model.free(title)]
        return pick(wanted, number) if wanted and number % 3 else self.some_title(number)

    def some_copy(self, number, *states):
        """One in such a state, if there is any; now and then any."""
        wanted = [copy for copy in self.model.copies if copy.state in states]
        return pick(wanted if wanted and number != RARELY else self.model.copies, number)

    def some_loan(self, number):
        """One that is open, if there is any, mostly of a title with a line; now and then one that has ended."""
        wanted = [loan for loan in self.open_loans() if self.model.line(loan.copy.title)]
        candidates = wanted if wanted and number % 4 else self.open_loans()
        return pick(self.model.loans if number == RARELY or not candidates else candidates, number)

    def some_reservation(self, number, *states):
        """One in such a state, if there is any; now and then any."""
        wanted = [reservation for reservation in self.model.reservations if reservation.state in states]
        return pick(wanted if wanted and number != RARELY else self.model.reservations, number)

    def answered(self, expected, actual):
        """The desk spoke of this loan or reservation, or of none; after the step the model must mean the same."""
        self.answers.append((expected, actual and actual.pk))

    def agree_on_next(self, expected, actual):
        """What to do with a copy that came in."""
        if actual is None:
            return
        action, reservation = expected
        assert actual.action == action
        self.answered(reservation, actual.reservation)

    # --- The world changes -----------------------------------------------------------------------------------

    @rule(span=spans)
    def wait(self, span):
        self.now += span

    @precondition(lambda self: self.deadlines())
    @rule(number=which, passed=st.booleans())
    def wait_for_a_deadline(self, number, passed):
        """Until its last moment, or just past it."""
        self.now = pick(self.deadlines(), number) + timedelta(seconds=passed)

    def deadlines(self):
        """The next moments until which something lasts."""
        lasting = [loan.due_at for loan in self.open_loans()]
        lasting += [
            moment for reservation in self.live() for moment in (reservation.shelf_until, reservation.needed_by)
        ]
        return sorted({moment for moment in lasting if moment and moment >= self.now})[:3]

    @rule(
        member_kind=st.sampled_from(["", "child"]),
        title_kind=st.sampled_from(["", "film"]),
        terms=st.none() | terms,
    )
    def set_terms(self, member_kind, title_kind, terms):
        """A loan policy for these kinds, or none any more."""
        policy = {"member_category": self.categories[member_kind] if member_kind else None, "book_category": title_kind}
        if terms:
            self.model.terms[member_kind, title_kind] = terms
            library.LoanPolicy.objects.update_or_create(**policy, defaults=vars(terms))
        else:
            self.model.terms.pop((member_kind, title_kind), None)
            library.LoanPolicy.objects.filter(**policy).delete()

    @precondition(lambda self: len(self.model.members) < 8)
    @rule(kind=st.sampled_from(["", "child"]))
    def enrol(self, kind):
        member = rows.Member(kind)
        self.model.members.append(member)
        self.members[member] = library_services.enrol(
            first_name="Ada", category=self.categories[kind], branch=self.branches[0], at=self.now
        )

    @precondition(lambda self: len(self.model.titles) < 6 and len(self.held()) < 3)
    @rule(kind=st.sampled_from(["", "film"]))
    def add_title(self, kind):
        title = rows.Title(kind)
        self.model.titles.append(title)
        self.titles[title] = library_services.add_title(title="A title", category=kind, copies=0, at=self.now)

    @precondition(lambda self: sum(copy.state != rows.WITHDRAWN for copy in self.model.copies) < 6)
    @rule(title=which, count=st.integers(0, 2), zone=st.sampled_from(sorted(HOURS_FROM_UTC)))
    def add_copies(self, title, count, zone):
        title, hours = self.some_title(title), HOURS_FROM_UTC[zone]
        first = len(self.model.copies)
        barcodes = [f"copy-{number}" for number in range(first, first + count)]
        if barcodes:
            self.both(
                lambda: self.model.add_copies(self.now, title, barcodes, hours),
                title_services.add_copies,
                book_id=self.titles[title].pk,
                barcodes=barcodes,
                branch=self.branches[hours],
                at=self.now,
            )

    # --- Check-out -------------------------------------------------------------------------------------------

    def check_out(self, member, title, copy=None, days=None, on_unavailable=None, override=frozenset(), here=None):
        how = {"barcode": copy.barcode} if copy else {"book_id": self.titles[title].pk}
        expected, actual = self.both(
            lambda: self.model.check_out(self.now, member, title, copy, days, on_unavailable, override, here),
            services.check_out,
            member_id=self.members[member].pk,
            days=days,
            on_unavailable=on_unavailable,
            override=Override(override, "because"),
            branch=self.branches.get(here),
            at=self.now,
            **how,
        )
        if isinstance(expected, rows.Loan):
            assert isinstance(actual, services.Lent)
            self.answered(expected, actual.loan)
        elif expected:
            assert isinstance(actual, services.Queued)
            assert actual.reservation.status == expected.state
            self.answered(expected, actual.reservation)

    @rule(member=which, title=which)
    def check_out_title(self, member, title):
        self.check_out(self.some_member(member), self.some_wanted_title(title))

    @rule(
        member=which,
        title=which,
        days=st.sampled_from([None, 0, 1, 3, 9]),
        on_unavailable=st.sampled_from([None, "reserve", "refuse"]),
        override=overrides,
        here=places,
    )
    def check_out_title_with(self, member, title, days, on_unavailable, override, here):
        self.check_out(self.some_member(member), self.some_title(title), None, days, on_unavailable, override, here)

    @precondition(lambda self: self.model.copies)
    @rule(
        member=which,
        copy=which,
        on_unavailable=st.sampled_from([None, "reserve", "refuse"]),
        override=overrides,
    )
    def check_out_copy(self, member, copy, on_unavailable, override):
        copy = self.some_copy(copy, rows.AVAILABLE, rows.ON_HOLD_SHELF, rows.ON_LOAN)
        self.check_out(self.some_member(member), copy.title, copy, None, on_unavailable, override)

    # --- Return and renewal --------------------------------------------------------------------------------------

    def give_back(self, loan, lend_on, override=frozenset(), here=None, **how):
        expected, actual = self.both(
            lambda: self.model.give_back(self.now, loan, lend_on, override, here),
            services.return_copy,
            branch=self.branches.get(here),
            fulfil_on_return="loan" if lend_on else "hold",
            override=Override(override, "because"),
            at=self.now,
            **how,
        )
        if actual:
            self.answered(loan, actual.loan)
            self.agree_on_next(expected, actual.next)

    @precondition(lambda self: self.model.loans)
    @rule(loan=which, lend_on=st.booleans())
    def give_back_by_loan(self, loan, lend_on):
        loan = self.some_loan(loan)
        self.give_back(loan, lend_on, loan_id=self.ids[loan])

    @precondition(lambda self: self.open_loans())
    @rule(loan=st.integers(0, RARELY - 1), override=overrides, here=places)
    def give_back_by_barcode(self, loan, override, here):
        loan = self.some_loan(loan)
        self.give_back(loan, True, override, here, barcode=loan.copy.barcode)

    @precondition(lambda self: self.open_loans())
    @rule(loan=st.integers(0, RARELY - 1), lend_on=st.booleans(), here=places)
    def give_back_by_member_and_title(self, loan, lend_on, here):
        loan = self.some_loan(loan)
        how = {"member_id": self.members[loan.member].pk, "book_id": self.titles[loan.copy.title].pk}
        self.give_back(loan, lend_on, here=here, **how)

    @precondition(lambda self: self.model.loans)
    @rule(loan=which, override=overrides)
    def renew(self, loan, override):
        loan = self.some_loan(loan)
        self.both(
            lambda: self.model.renew(self.now, loan, override),
            services.renew,
            loan_id=self.ids[loan],
            override=Override(override, "because"),
            at=self.now,
        )

    # --- The line ------------------------------------------------------------------------------------------------

    @rule(
        member=which,
        title=which,
        needed_for=st.sampled_from([None, None, -1, 0, 2, 5]),
        there=places,
        override=overrides,
    )
    def reserve(self, member, title, needed_for, there, override):
        member, title = self.some_member(member), self.some_wanted_title(title)
        needed_by = None if needed_for is None else self.now + timedelta(days=needed_for)
        expected, actual = self.both(
            lambda: self.model.reserve(self.now, member, title, needed_by, there or 0, override),
            line_services.reserve,
            branch=self.branches.get(there),
            member_id=self.members[member].pk,
            book_id=self.titles[title].pk,
            needed_by=needed_by,
            override=Override(override, "because"),
            at=self.now,
        )
        if expected:
            assert actual.status == expected.state
        self.answered(expected, actual)

    @rule(
        member=which,
        title=which,
        needed_for=st.sampled_from([0, 2, 5]),
        zone=st.sampled_from(sorted(HOURS_FROM_UTC)),
        override=overrides,
    )
    def reserve_until(self, member, title, needed_for, zone, override):
        member, title, hours = self.some_member(member), self.some_wanted_title(title), HOURS_FROM_UTC[zone]
        until = self.now + timedelta(days=needed_for)
        expected, actual = self.both(
            lambda: self.model.reserve_until(self.now, member, title, until, hours, override),
            line_services.reserve_until,
            member_id=self.members[member].pk,
            book_id=self.titles[title].pk,
            until=until,
            branch=self.branches[hours],
            override=Override(override, "because"),
            at=self.now,
        )
        if expected:
            assert actual.status == expected.state
        self.answered(expected, actual)

    @precondition(lambda self: self.live())
    @rule(reservation=which)
    def cancel(self, reservation):
        reservation = self.some_reservation(reservation, rows.WAITING, rows.SUSPENDED, rows.READY)
        self.both(
            lambda: self.model.change(self.now, reservation, "cancel"),
            line_services.cancel,
            reservation_id=self.ids[reservation],
            at=self.now,
        )

    @precondition(lambda self: self.live())
    @rule(reservation=which, how=st.sampled_from(["suspend", "resume"]))
    def suspend_or_resume(self, reservation, how):
        reservation = self.some_reservation(reservation, rows.SUSPENDED if how == "resume" else rows.WAITING)
        self.both(
            lambda: self.model.change(self.now, reservation, how),
            line_services.suspend if how == "suspend" else line_services.resume,
            reservation_id=self.ids[reservation],
            at=self.now,
        )

    @precondition(lambda self: self.live())
    @rule(reservation=which, priority=st.integers(-1, 1))
    def reorder(self, reservation, priority):
        reservation = self.some_reservation(reservation, rows.WAITING)
        self.both(
            lambda: self.model.change(self.now, reservation, "reorder", priority),
            line_services.reorder,
            reservation_id=self.ids[reservation],
            priority=priority,
            reason="because",
            at=self.now,
        )

    @precondition(lambda self: self.live())
    @rule(reservation=which, override=overrides)
    def fulfil(self, reservation, override):
        reservation = self.some_reservation(reservation, rows.READY)
        expected, actual = self.both(
            lambda: self.model.fulfil(self.now, reservation, override),
            services.fulfil,
            reservation_id=self.ids[reservation],
            override=Override(override, "because"),
            at=self.now,
        )
        self.answered(expected, actual)

    @precondition(lambda self: self.lines())
    @rule(title=which, override=overrides)
    def fulfil_head(self, title, override):
        title = self.some_title(title) if title == RARELY else pick(self.lines(), title)
        expected, actual = self.both(
            lambda: self.model.fulfil_head(self.now, title, override),
            services.fulfil_head,
            book_id=self.titles[title].pk,
            override=Override(override, "because"),
            at=self.now,
        )
        self.answered(expected, actual)

    @precondition(lambda self: self.lapsed())
    @rule(title=which)
    def expire(self, title):
        title = pick(self.lapsed() + self.held(), title)
        expected, actual = self.both(
            lambda: self.model.expire(self.now, title), line_services.expire, book_id=self.titles[title].pk, at=self.now
        )
        for reservation, row in zip(expected or [], actual or [], strict=True):
            self.answered(reservation, row)

    # --- Copies, titles, members -----------------------------------------------------------------------------------

    @precondition(lambda self: self.model.copies)
    @rule(copy=which, state=st.sampled_from([rows.LOST, rows.MISSING, rows.DAMAGED, rows.WITHDRAWN]))
    def take_out(self, copy, state):
        copy = self.some_copy(copy, rows.AVAILABLE, rows.ON_HOLD_SHELF, rows.IN_TRANSIT, rows.ON_LOAN)
        self.both(
            lambda: self.model.take_out(self.now, copy, state),
            {
                rows.LOST: copy_services.mark_lost,
                rows.MISSING: copy_services.mark_missing,
                rows.DAMAGED: copy_services.mark_damaged,
                rows.WITHDRAWN: copy_services.withdraw,
            }[state],
            barcode=copy.barcode,
            at=self.now,
        )

    @precondition(lambda self: any(copy.state in (rows.LOST, rows.MISSING, rows.DAMAGED) for copy in self.model.copies))
    @rule(number=which, repaired=st.booleans(), here=places)
    def bring_back(self, number, repaired, here):
        origins = {rows.DAMAGED} if repaired else {rows.LOST, rows.MISSING}
        copy = self.some_copy(number, *origins)
        expected, actual = self.both(
            lambda: self.model.bring_back(self.now, copy, origins, None if repaired else here),
            copy_services.repair if repaired else copy_services.mark_found,
            barcode=copy.barcode,
            at=self.now,
            **({} if repaired else {"branch": self.branches.get(here)}),
        )
        self.agree_on_next(expected, actual and actual.next)

    @precondition(lambda self: any(copy.state == rows.IN_TRANSIT for copy in self.model.copies))
    @rule(number=which, here=places)
    def receive(self, number, here):
        copy = self.some_copy(number, rows.IN_TRANSIT)
        expected, actual = self.both(
            lambda: self.model.receive(self.now, copy, here),
            copy_services.receive,
            barcode=copy.barcode,
            branch=self.branches.get(here),
            at=self.now,
        )
        self.agree_on_next(expected, actual and actual.next)

    @rule(title=which, circulating=st.sampled_from([True, True, False]), kind=st.sampled_from(["", "film"]))
    def edit_title(self, title, circulating, kind):
        title = self.some_title(title)
        if (title.circulating, title.kind) != (circulating, kind):  # an edit of nothing does nothing
            self.both(
                lambda: self.model.edit_title(self.now, title, circulating, kind),
                title_services.edit_title,
                book_id=self.titles[title].pk,
                fields={"in_circulation": circulating, "category": kind},
                at=self.now,
            )

    @precondition(lambda self: len(self.held()) > 2)
    @rule(title=which)
    def withdraw_title(self, title):
        title = self.some_title(title)
        self.both(
            lambda: self.model.withdraw_title(self.now, title),
            title_services.withdraw_title,
            book_id=self.titles[title].pk,
            at=self.now,
        )

    def edit_member(self, member, blocked, expires_on, settled):
        """Settled, the lines hear of it at once; otherwise only when something else happens to their titles."""
        self.model.edit_member(self.now, member, blocked, expires_on, settled)
        (member_services.edit if settled else library_services.edit_member)(
            member_id=self.members[member].pk,
            fields={"blocked_reason": "rude" if blocked else "", "expires_on": expires_on},
            at=self.now,
        )

    def some_waiting_member(self, number):
        """One who stands in a line, if there is any; now and then any."""
        waiting = [reservation.member for title in self.lines() for reservation in self.model.line(title)]
        return pick(self.living() if number == RARELY or not waiting else waiting, number)

    @rule(member=which, expires_in=st.sampled_from([None, -1, 0, 2]))
    def block_or_expire(self, member, expires_in):
        expires_on = None if expires_in is None else self.now.date() + timedelta(days=expires_in)
        self.edit_member(self.some_waiting_member(member), expires_on is None, expires_on, settled=True)

    @precondition(lambda self: any(self.model.against_member(member, self.now) for member in self.living()))
    @rule(member=which, settled=st.booleans())
    def welcome_back(self, member, settled):
        unwelcome = [member for member in self.living() if self.model.against_member(member, self.now)]
        self.edit_member(pick(unwelcome, member), False, None, settled)

    @precondition(lambda self: self.live() and self.open_loans())
    @rule(reservation=which, loan=which, lend_on=st.booleans())
    def miss_a_turn(self, reservation, loan, lend_on):
        """A member is blocked while a copy comes in, and afterwards the line does not hear that they are no more."""
        member = pick(self.live(), reservation).member
        self.edit_member(member, True, None, settled=True)
        self.give_back_by_loan(loan, lend_on)
        self.edit_member(member, False, None, settled=False)

    @precondition(lambda self: len(self.living()) > 4)
    @rule(member=which)
    def delete_member(self, member):
        member = self.some_member(member)
        self.both(
            lambda: self.model.delete_member(member),
            member_services.delete,
            member_id=self.members[member].pk,
            at=self.now,
        )

    # --- After every step ------------------------------------------------------------------------------------------

    @invariant()
    def both_see_the_same(self):
        model = self.model
        with connection.cursor() as cursor:
            cursor.execute(EVERYTHING)
            members, titles, copies, loans, reservations = cursor.fetchone()
        self.ids |= dict(zip(model.loans, [loan["id"] for loan in loans], strict=True))
        self.ids |= dict(zip(model.reservations, [reservation["id"] for reservation in reservations], strict=True))
        assert [(expected, self.ids[expected]) for expected, _ in self.answers] == self.answers
        self.answers.clear()
        if self.calls % 10 == 0:
            self.everything_is_sound()

        member = {member: row.pk for member, row in self.members.items()} | {None: None}
        title = {title: row.pk for title, row in self.titles.items()}
        assert members == [{"id": member[m]} for m in self.living()]
        assert titles == [
            {
                "id": title[t],
                "category": t.kind,
                "in_circulation": t.circulating,
                "withdrawn_at": when(t.withdrawn_at),
            }
            for t in model.titles
        ]
        assert copies == [
            {
                "book": title[copy.title],
                "barcode": copy.barcode,
                "status": copy.state,
                "holder": member[copy.holder],
                "due_at": when(copy.due_at),
            }
            for copy in model.copies
        ]
        assert loans == [
            {
                "id": self.ids[loan],
                "book": title[loan.copy.title],
                "copy": loan.copy.barcode,
                "member": member[loan.member],
                "lent_at": when(loan.lent_at),
                "due_at": when(loan.due_at),
                "returned_at": when(loan.returned_at),
                "renewals": loan.renewals,
            }
            for loan in model.loans
        ]
        assert reservations == [
            {
                "id": self.ids[reservation],
                "book": title[reservation.title],
                "copy": reservation.copy and reservation.copy.barcode,
                "member": member[reservation.member],
                "status": reservation.state,
                "priority": reservation.priority,
                "placed_at": when(reservation.placed_at),
                "needed_by": when(reservation.needed_by),
                "shelf_until": when(reservation.shelf_until),
                "closed_at": when(reservation.closed_at),
            }
            for reservation in model.reservations
        ]

    @invariant()
    def nobody_is_stranded(self):
        assert self.stranded() <= self.model.unsettled

    def everything_is_sound(self):
        """The invariants in the database. They look at the whole history, so now and then is often enough."""
        violations = [(violation.invariant, violation.problem) for violation in broken(at=self.now)]
        assert [invariant for invariant, _ in violations] == [2] * bool(self.stranded()), violations

    def stranded(self):
        return {title for title in self.model.titles if self.model.is_stranded(title, self.now)}


WRITTEN = ("events_event", "events_pendingevent", "library_copy", "circulation_loan", "reservations_reservation")
# In one statement, for it is asked after every one of some thousand steps.
EVERYTHING = """
    WITH loans AS (
        SELECT l.id, l.book_id AS book, c.barcode AS copy, l.member_id AS member,
               l.lent_at, l.due_at, l.returned_at, l.renewals
        FROM circulation_loan l JOIN library_copy c ON c.id = l.copy_id
    ), reservations AS (
        SELECT r.id, r.book_id AS book, c.barcode AS copy, r.member_id AS member, r.status, r.priority,
               r.placed_at, r.needed_by, r.shelf_until, r.closed_at
        FROM reservations_reservation r LEFT JOIN library_copy c ON c.id = r.copy_id
    )
    SELECT (SELECT coalesce(json_agg(t ORDER BY id), '[]') FROM (SELECT id FROM library_member) t),
           (SELECT coalesce(json_agg(t ORDER BY id), '[]')
            FROM (SELECT id, category, in_circulation, withdrawn_at FROM library_book) t),
           (SELECT coalesce(json_agg(to_jsonb(t) - 'id' ORDER BY id), '[]')
            FROM (SELECT id, book_id AS book, barcode, status, holder_id AS holder, due_at FROM library_copy) t),
           (SELECT coalesce(json_agg(t ORDER BY id), '[]') FROM loans t),
           (SELECT coalesce(json_agg(t ORDER BY id), '[]') FROM reservations t)
"""


def when(moment):
    """As PostgreSQL writes it in JSON."""
    return moment and moment.isoformat()


def outcome_of(call, arguments):
    """The result and no codes, or no result and the codes of the refusal."""
    try:
        return call(**arguments), []
    except Refusal as refusal:
        return None, [reason.code for reason in refusal.reasons()]
    except DomainError as error:
        return None, [error.code]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(int(os.environ.get("MODEL_SEEDS", "6"))))
def test_the_desk_does_what_the_model_says(number):
    Desk.stock()
    run_state_machine_as_test(
        seed(number)(Desk),
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=60,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
