"""Changes of a member that loans and lines feel."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from circulation.members import delete, edit, settle_lines_of
from circulation.services import check_out, return_copy
from events.models import Event
from library.models import Member
from library.services import member_revision
from tests.factories import NOW, BookFactory, LoanFactory, MemberFactory, ReservationFactory, UserFactory
from tests.refusals import refused

pytestmark = pytest.mark.django_db


# --- Editing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trait", "fields"),
    [("blocked", {"blocked_reason": ""}), ("expired", {"expires_on": NOW.date() + timedelta(days=365)})],
)
def test_a_member_who_may_borrow_again_is_served_at_once(trait, fields):
    member = MemberFactory(**{trait: True})
    beside_a_copy = ReservationFactory(member=member, book=BookFactory(copies=1))
    another = ReservationFactory(member=member, book=BookFactory(copies=1))
    nothing_free = ReservationFactory(member=member)

    edited = edit(member_id=member.pk, fields=fields, at=NOW)

    assert edited == member
    for reservation, status in ((beside_a_copy, "ready"), (another, "ready"), (nothing_free, "waiting")):
        reservation.refresh_from_db()
        assert reservation.status == status


def test_a_member_who_may_not_borrow_any_more_keeps_what_is_set_aside():
    reservation = ReservationFactory(ready=True)

    edit(member_id=reservation.member.pk, fields={"blocked_reason": "rude"}, at=NOW)

    reservation.refresh_from_db()
    assert reservation.status == "ready"
    told = Event.objects.get()
    assert (told.kind, told.member_id, told.payload) == (
        "member.edited",
        reservation.member_id,
        {"changed": ["blocked_reason"], "changes": {"blocked_reason": ["", "rude"]}},
    )


def test_an_edit_of_an_old_version_changes_nothing():
    member = MemberFactory()
    read = member_revision(member)
    edit(member_id=member.pk, fields={"first_name": "Augusta"}, at=NOW, expected=read)

    with refused("STALE_VERSION") as caught:
        edit(member_id=member.pk, fields={"first_name": "Byron"}, at=NOW, expected=read)

    assert caught.value.kind == "stale"
    member.refresh_from_db()
    assert member.first_name == "Augusta"


def test_withdrawn_titles_are_left_alone_when_lines_are_settled():
    member = MemberFactory()
    reservation = ReservationFactory(member=member, book=BookFactory(copies=1, withdrawn=True))

    settle_lines_of(member, at=NOW)

    reservation.refresh_from_db()
    assert reservation.status == "waiting"


# --- Deleting ------------------------------------------------------------------------------------------------


def test_a_deleted_member_leaves_their_past_without_their_name():
    member = MemberFactory(user=UserFactory())
    loan, reservation = LoanFactory(member=member, returned=True), ReservationFactory(member=member, cancelled=True)

    delete(member_id=member.pk, at=NOW)

    assert not Member.objects.filter(pk=loan.member_id).exists()
    loan.refresh_from_db()
    reservation.refresh_from_db()
    assert (loan.member, reservation.member) == (None, None)
    assert str(loan) == f"{loan.copy} to a former member"
    assert str(reservation) == f"{reservation.book} for a former member"
    told, account = Event.objects.order_by("pk")
    assert (told.kind, told.payload) == ("member.deleted", {})
    assert told.member_id is not None
    assert (account.kind, account.payload.keys()) == ("account.deleted", {"record"})


def test_a_member_with_open_loans_or_a_place_in_a_line_is_not_deleted():
    member = LoanFactory().member
    LoanFactory(member=member)
    ReservationFactory(member=member)

    with refused("MEMBER_HAS_OPEN_LOANS", "RESERVATION_EXISTS") as caught:
        delete(member_id=member.pk, at=NOW)

    loans, reservations = caught.value.reasons()
    assert (loans.facts, loans.kind, loans.overridable) == ({"open": 2}, "conflict", False)
    assert (reservations.facts, reservations.overridable) == ({"open": 1}, False)
    assert Member.objects.filter(pk=member.pk).exists()


@pytest.mark.parametrize("status", [{}, {"suspended": True}, {"ready": True}])
def test_every_live_reservation_keeps_a_member(status):
    member = ReservationFactory(**status).member

    with refused("RESERVATION_EXISTS"):
        delete(member_id=member.pk, at=NOW)


def test_a_member_may_go_once_everything_came_back():
    member, book = MemberFactory(), BookFactory(copies=1)
    check_out(member_id=member.pk, book_id=book.pk, at=NOW)
    return_copy(member_id=member.pk, book_id=book.pk, at=NOW)

    delete(member_id=member.pk, at=NOW)

    assert not Member.objects.filter(pk=member.pk).exists()


def test_deleting_an_old_version_is_refused():
    member = MemberFactory()

    with refused("STALE_VERSION"):
        delete(member_id=member.pk, at=NOW, expected="0" * 16)

    assert Member.objects.filter(pk=member.pk).exists()


def test_a_member_who_does_not_exist_is_said_to_be_missing():
    with refused("MEMBER_NOT_FOUND"):
        delete(member_id=0, at=NOW)
    with refused("MEMBER_NOT_FOUND"):
        edit(member_id=0, fields={}, at=NOW)


def test_the_database_too_keeps_a_member_with_an_open_loan():
    member = LoanFactory().member

    @transaction.atomic
    def delete_behind_the_back_of_the_desk():
        Member.objects.filter(pk=member.pk)._raw_delete("default")
        transaction.get_connection().check_constraints()

    with pytest.raises(IntegrityError):
        delete_behind_the_back_of_the_desk()


def test_what_editing_a_member_costs(django_assert_max_num_queries):
    member = MemberFactory()

    with django_assert_max_num_queries(6):  # five, and one look for lines to settle
        edit(member_id=member.pk, fields={"first_name": "Augusta"}, at=NOW)
