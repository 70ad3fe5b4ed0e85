"""The desk against its model: whatever is done in whatever order, both answer alike and end up alike.

MODEL_EXAMPLES=2000 looks at that many random histories instead of the same few every time.
"""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from circulation import copies as copy_services
from circulation import members as member_services
from circulation import models, services
from events.exceptions import DomainError
from library import models as library
from library import services as library_services
from library.exceptions import Override, Refusal
from reservations import services as line_services
from reservations import titles as title_services
from reservations.models import Reservation
from tests.concurrency.soundness import breaches
from tests.factories import BookFactory, BranchFactory, MemberCategoryFactory, MemberFactory
from tests.model import rows
from tests.model.model import OVERRIDABLE, Library, Refused

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
HOURS_FROM_UTC = {"UTC": 0, "Pacific/Kiritimati": 14, "America/Phoenix": -7}  # none of them changes its clocks

which = st.integers(0, 11)  # one of however many there are
RARELY = 11  # stands for one that the operation is not meant for
overrides = st.one_of(
    st.just(frozenset()), st.just(frozenset(OVERRIDABLE)), st.sampled_from(sorted(OVERRIDABLE)).map(lambda c: frozenset({c}))
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
spans = st.sampled_from([timedelta(seconds=1), timedelta(hours=7), timedelta(days=1), timedelta(days=3), timedelta(days=9)])


def pick(things, number):
    return things[number % len(things)]


class Desk(RuleBasedStateMachine):
    """Does everything twice: in the model, and at the desk."""

    def __init__(self):
        super().__init__()
        self.undo = transaction.atomic()
        self.undo._from_testcase = True  # as around any test, so that operations may be durable inside
        self.undo.__enter__()
        self.now = START
        self.model = Library()
        self.members: dict[rows.Member, library.Member] = {}
        self.titles: dict[rows.Title, library.Book] = {}
        self.branches: dict[int, library.Branch] = {}
        self.categories: dict[str, library.MemberCategory] = {}
        self.calls = 0

    def teardown(self):
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @initialize(general=terms, lines=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def open(self, general, lines):
        """Three titles, four members; of the first titles every copy is lent, and some members wait."""
        self.categories = {
            "": library_services.member_category_named(None),
            "child": MemberCategoryFactory(name="child"),
        }
        for zone, hours in HOURS_FROM_UTC.items():
            self.branches[hours] = BranchFactory(time_zone=zone)
        self.set_terms("", "", general)
        for kind in ("", "", "child", "child"):
            self.enrol(kind)
        for number, (kind, zone, waiting) in enumerate(zip(("", "film", ""), HOURS_FROM_UTC, lines, strict=True)):
            self.add_title(kind)
            self.add_copies(number, 1 + number % 2, zone)
            for member in range(number, number + waiting):
                self.check_out_title(member, number)

    # --- Both at once ----------------------------------------------------------------------------------------

    def both(self, in_model, operation, **arguments):
        """Do it in the model and at the desk, which must agree. Returns both results, or two times None if refused.

        Every third operation is rehearsed before, which must tell the same and change nothing.
        """
        self.calls += 1
        rehearsed = outcome_of(operation.rehearse, arguments) if self.calls % 3 == 0 else None
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

    def reservation_row(self, reservation):
        return list(Reservation.objects.order_by("id"))[self.model.reservations.index(reservation)]

    def loan_row(self, loan):
        return list(models.Loan.objects.order_by("id"))[self.model.loans.index(loan)]

    def living(self):
        return [member for member in self.model.members if not member.deleted]

    def held(self):
        return [title for title in self.model.titles if not title.withdrawn_at]

    def some_member(self, number):
        return pick(self.living(), number)

    def some_title(self, number):
        """One that the library holds; now and then any."""
        return pick(self.model.titles if number == RARELY else self.held(), number)

    def some_copy(self, number, *states):
        """One in such a state, if there is any; now and then any."""
        wanted = [copy for copy in self.model.copies if copy.state in states]
        return pick(wanted if wanted and number != RARELY else self.model.copies, number)

    def some_loan(self, number):
        """One that is open, if there is any; now and then one that has ended."""
        still_open = [loan for loan in self.model.loans if loan.returned_at is None]
        return pick(still_open if still_open and number != RARELY else self.model.loans, number)

    def some_reservation(self, number, *states):
        """One in such a state, if there is any; now and then any."""
        wanted = [reservation for reservation in self.model.reservations if reservation.state in states]
        return pick(wanted if wanted and number != RARELY else self.model.reservations, number)

    def agree_on_next(self, expected, actual):
        """What to do with a copy that came in."""
        if actual is None:
            return
        action, reservation = expected
        assert actual.action == action
        assert actual.reservation == (self.reservation_row(reservation) if reservation else None)

    # --- The world changes -----------------------------------------------------------------------------------

    @rule(span=spans)
    def wait(self, span):
        self.now += span

    @rule(member_kind=st.sampled_from(["", "child"]), title_kind=st.sampled_from(["", "film"]), terms=terms)
    def set_terms(self, member_kind, title_kind, terms):
        self.model.terms[member_kind, title_kind] = terms
        library.LoanPolicy.objects.update_or_create(
            member_category=self.categories[member_kind] if member_kind else None,
            book_category=title_kind,
            defaults=vars(terms),
        )

    @rule(number=which)
    @precondition(lambda self: len(self.model.terms) > 1)
    def drop_terms(self, number):
        member_kind, title_kind = pair = pick(sorted(self.model.terms), number)
        del self.model.terms[pair]
        category = self.categories[member_kind] if member_kind else None
        library.LoanPolicy.objects.get(member_category=category, book_category=title_kind).delete()

    @precondition(lambda self: len(self.model.members) < 7)
    @rule(kind=st.sampled_from(["", "child"]))
    def enrol(self, kind):
        member = rows.Member(kind)
        self.model.members.append(member)
        self.members[member] = MemberFactory(category=self.categories[kind])

    @precondition(lambda self: len(self.model.titles) < 5)
    @rule(kind=st.sampled_from(["", "film"]))
    def add_title(self, kind):
        title = rows.Title(kind)
        self.model.titles.append(title)
        self.titles[title] = BookFactory(category=kind)

    @precondition(lambda self: len(self.model.copies) < 9)
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

    def check_out(self, member, title, copy=None, days=None, on_unavailable=None, override=frozenset()):
        how = {"barcode": copy.barcode} if copy else {"book_id": self.titles[title].pk}
        expected, actual = self.both(
            lambda: self.model.check_out(self.now, member, title, copy, days, on_unavailable, override),
            services.check_out,
            member_id=self.members[member].pk,
            days=days,
            on_unavailable=on_unavailable,
            override=Override(override, "because"),
            at=self.now,
            **how,
        )
        if isinstance(expected, rows.Loan):
            assert actual == services.Lent(self.loan_row(expected))
        elif expected:
            assert actual == services.Queued(self.reservation_row(expected))
            assert actual.reservation.status == expected.state

    @rule(member=which, title=which)
    def check_out_title(self, member, title):
        self.check_out(self.some_member(member), self.some_title(title))

    @rule(
        member=which,
        title=which,
        days=st.sampled_from([None, 0, 1, 3, 9]),
        on_unavailable=st.sampled_from([None, "reserve", "refuse"]),
        override=overrides,
    )
    def check_out_title_with(self, member, title, days, on_unavailable, override):
        self.check_out(
            self.some_member(member), self.some_title(title), None, days, on_unavailable, override
        )

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

    @precondition(lambda self: self.model.loans)
    @rule(loan=which, way=st.sampled_from(["loan", "copy", "member"]), lend_on=st.booleans())
    def give_back(self, loan, way, lend_on):
        loan = self.some_loan(loan)
        if way == "copy" and loan.copy.state == rows.ON_LOAN:
            how = {"barcode": loan.copy.barcode}
            loan = next(other for other in self.model.loans if other.copy is loan.copy and other.returned_at is None)
        elif way == "member" and loan.member and self.model.has(loan.member, loan.copy.title):
            how = {"member_id": self.members[loan.member].pk, "book_id": self.titles[loan.copy.title].pk}
            loan = next(one for one in self.model.open_loans(loan.member) if one.copy.title is loan.copy.title)
        else:
            how = {"loan_id": self.loan_row(loan).pk}
        expected, actual = self.both(
            lambda: self.model.give_back(self.now, loan, lend_on),
            services.return_copy,
            fulfil_on_return="loan" if lend_on else "hold",
            at=self.now,
            **how,
        )
        if actual:
            assert actual.loan == self.loan_row(loan)
            self.agree_on_next(expected, actual.next)

    @precondition(lambda self: self.model.copies)
    @rule(copy=which)
    def give_back_what_may_not_be_lent(self, copy):
        copy = pick(self.model.copies, copy)
        if copy.state != rows.ON_LOAN:
            expected = "COPY_NOT_FOUND" if copy.title.withdrawn_at else "COPY_NOT_ON_LOAN"
            assert outcome_of(services.return_copy, {"barcode": copy.barcode, "at": self.now}) == (None, [expected])

    @precondition(lambda self: self.model.loans)
    @rule(loan=which, override=overrides)
    def renew(self, loan, override):
        loan = self.some_loan(loan)
        self.both(
            lambda: self.model.renew(self.now, loan, override),
            services.renew,
            loan_id=self.loan_row(loan).pk,
            override=Override(override, "because"),
            at=self.now,
        )

    # --- The line ------------------------------------------------------------------------------------------------

    @rule(member=which, title=which, needed_for=st.sampled_from([None, None, -1, 0, 2, 5]), override=overrides)
    def reserve(self, member, title, needed_for, override):
        member, title = self.some_member(member), self.some_title(title)
        needed_by = None if needed_for is None else self.now + timedelta(days=needed_for)
        expected, actual = self.both(
            lambda: self.model.reserve(self.now, member, title, needed_by, override),
            line_services.reserve,
            member_id=self.members[member].pk,
            book_id=self.titles[title].pk,
            needed_by=needed_by,
            override=Override(override, "because"),
            at=self.now,
        )
        if actual:
            assert actual == self.reservation_row(expected)
            assert actual.status == expected.state

    @precondition(lambda self: self.model.reservations)
    @rule(reservation=which)
    def cancel(self, reservation):
        reservation = self.some_reservation(reservation, rows.WAITING, rows.SUSPENDED, rows.READY)
        self.both(
            lambda: self.model.change(self.now, reservation, "cancel"),
            line_services.cancel,
            reservation_id=self.reservation_row(reservation).pk,
            at=self.now,
        )

    @precondition(lambda self: self.model.reservations)
    @rule(reservation=which, how=st.sampled_from(["suspend", "resume"]))
    def suspend_or_resume(self, reservation, how):
        reservation = self.some_reservation(reservation, rows.SUSPENDED if how == "resume" else rows.WAITING)
        self.both(
            lambda: self.model.change(self.now, reservation, how),
            line_services.suspend if how == "suspend" else line_services.resume,
            reservation_id=self.reservation_row(reservation).pk,
            at=self.now,
        )

    @precondition(lambda self: self.model.reservations)
    @rule(reservation=which, priority=st.integers(-1, 1))
    def reorder(self, reservation, priority):
        reservation = self.some_reservation(reservation, rows.WAITING)
        self.both(
            lambda: self.model.change(self.now, reservation, "reorder", priority),
            line_services.reorder,
            reservation_id=self.reservation_row(reservation).pk,
            priority=priority,
            reason="because",
            at=self.now,
        )

    @precondition(lambda self: self.model.reservations)
    @rule(reservation=which, override=overrides)
    def fulfil(self, reservation, override):
        reservation = self.some_reservation(reservation, rows.READY)
        expected, actual = self.both(
            lambda: self.model.fulfil(self.now, reservation, override),
            services.fulfil,
            reservation_id=self.reservation_row(reservation).pk,
            override=Override(override, "because"),
            at=self.now,
        )
        assert actual == (self.loan_row(expected) if expected else None)

    @precondition(lambda self: self.model.reservations)
    @rule(title=which, override=overrides)
    def fulfil_head(self, title, override):
        title = self.some_title(title)
        expected, actual = self.both(
            lambda: self.model.fulfil_head(self.now, title, override),
            services.fulfil_head,
            book_id=self.titles[title].pk,
            override=Override(override, "because"),
            at=self.now,
        )
        assert actual == (self.loan_row(expected) if expected else None)

    @precondition(lambda self: self.model.reservations)
    @rule(title=which)
    def expire(self, title):
        title = self.some_title(title)
        expected, actual = self.both(
            lambda: self.model.expire(self.now, title), line_services.expire, book_id=self.titles[title].pk, at=self.now
        )
        assert actual == (None if expected is None else [self.reservation_row(reservation) for reservation in expected])

    # --- Copies, titles, members -----------------------------------------------------------------------------------

    @precondition(lambda self: self.model.copies)
    @rule(copy=which, state=st.sampled_from([rows.LOST, rows.MISSING, rows.DAMAGED, rows.WITHDRAWN]))
    def take_out(self, copy, state):
        copy = self.some_copy(copy, rows.AVAILABLE, rows.ON_HOLD_SHELF, rows.ON_LOAN)
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

    @precondition(lambda self: self.model.copies)
    @rule(number=which, repaired=st.booleans())
    def bring_back(self, number, repaired):
        origins = {rows.DAMAGED} if repaired else {rows.LOST, rows.MISSING}
        copy = self.some_copy(number, *origins)
        expected, actual = self.both(
            lambda: self.model.bring_back(self.now, copy, origins),
            copy_services.repair if repaired else copy_services.mark_found,
            barcode=copy.barcode,
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

    @rule(member=which, blocked=st.sampled_from([False, False, True]), expires_in=st.sampled_from([None, None, -1, 0, 2]), settled=st.booleans())
    def edit_member(self, member, blocked, expires_in, settled):
        member = self.some_member(member)
        expires_on = None if expires_in is None else self.now.date() + timedelta(days=expires_in)
        self.model.edit_member(self.now, member, blocked, expires_on, settled)
        (member_services.edit if settled else library_services.edit_member)(
            member_id=self.members[member].pk,
            fields={"blocked_reason": "rude" if blocked else "", "expires_on": expires_on},
            at=self.now,
        )

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
        member_ids = {member: row.pk for member, row in self.members.items()} | {None: None}
        title_ids = {title: row.pk for title, row in self.titles.items()}
        copies = {copy: copy.barcode for copy in self.model.copies} | {None: None}

        assert set(library.Member.objects.values_list("pk", flat=True)) == {member_ids[m] for m in self.living()}
        assert list(
            library.Book.objects.order_by("id").values_list("pk", "category", "in_circulation", "withdrawn_at")
        ) == [(title_ids[t], t.kind, t.circulating, t.withdrawn_at) for t in self.model.titles]
        assert list(
            library.Copy.objects.order_by("id").values_list("barcode", "book", "status", "holder", "due_at")
        ) == [(c.barcode, title_ids[c.title], c.state, member_ids[c.holder], c.due_at) for c in self.model.copies]
        assert list(
            models.Loan.objects.order_by("id").values_list(
                "copy__barcode", "book", "member", "lent_at", "due_at", "returned_at", "renewals"
            )
        ) == [
            (l.copy.barcode, title_ids[l.copy.title], member_ids[l.member], l.lent_at, l.due_at, l.returned_at, l.renewals)
            for l in self.model.loans
        ]
        assert list(
            Reservation.objects.order_by("id").values_list(
                "book",
                "member",
                "status",
                "priority",
                "placed_at",
                "needed_by",
                "copy__barcode",
                "shelf_until",
                "closed_at",
            )
        ) == [
            (
                title_ids[r.title],
                member_ids[r.member],
                r.state,
                r.priority,
                r.placed_at,
                r.needed_by,
                copies[r.copy],
                r.shelf_until,
                r.closed_at,
            )
            for r in self.model.reservations
        ]

    @invariant()
    def everything_is_sound(self):
        found = breaches()
        if any(self.model.is_stranded(title, self.now) for title in self.model.titles):
            found.pop("stranded beside a free copy", None)
        assert found == {}


def outcome_of(call, arguments):
    """The result and no codes, or no result and the codes of the refusal."""
    try:
        return call(**arguments), []
    except Refusal as refusal:
        return None, [reason.code for reason in refusal.reasons()]
    except DomainError as error:
        return None, [error.code]


@pytest.mark.slow
@pytest.mark.django_db
def test_the_desk_does_what_the_model_says():
    examples = os.environ.get("MODEL_EXAMPLES")
    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=int(examples or 80),
            stateful_step_count=60,
            derandomize=examples is None,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
