"""A member at a glance: loans, places, history, blocks; and what the desk does there."""

from datetime import timedelta

import pytest
from django.utils import timezone

from events.models import Event
from tests.admin.browser import told
from tests.factories import BookFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory, general_policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return MemberFactory(first_name="Ada", last_name="Lovelace", card_number="M-1")


@pytest.fixture
def press(desk, ada):
    def press(do, **more):
        return desk.client.post(f"/admin/members/{ada.pk}/", {"do": do, **more}, follow=True)

    return press


def test_a_member_is_shown_with_what_they_have_had_and_wait_for(desk, ada):
    now = timezone.now()
    soon = LoanFactory(member=ada, lent_at=now)
    late = LoanFactory(member=ada, lent_at=now - timedelta(days=40))
    past = LoanFactory(member=ada, returned=True)
    ReservationFactory(book=(book := BookFactory()))
    place = ReservationFactory(member=ada, book=book)
    LoanFactory()

    page = desk.open(f"/admin/members/{ada.pk}/")

    assert [(loan.pk, overdue) for loan, overdue in page.context["loans"]] == [(late.pk, True), (soon.pk, False)]
    assert [(row.pk, row.position) for row, _ in page.context["places"]] == [(place.pk, 2)]
    assert [loan.pk for loan in page.context["history"]] == [past.pk]
    assert 'href="/admin/desk/?card=M-1"' in page.text


def test_a_member_is_blocked_with_a_reason_and_unblocked(press, ada, librarian):
    assert told(press("block", reason=" ")) == ["Say why: to block somebody needs a reason."]
    assert told(press("block", reason="Lost card")) == ["Ada Lovelace is blocked."]
    ada.refresh_from_db()
    assert (ada.blocked_reason, Event.objects.get().actor_id) == ("Lost card", librarian.pk)
    assert told(press("unblock")) == ["Ada Lovelace is not blocked any more."]


def test_a_loan_is_renewed_and_returned(press, ada):
    loan = LoanFactory(member=ada, lent_at=timezone.now() - timedelta(days=3), copy__barcode="c-1")

    [renewed] = told(press(f"renew:{loan.pk}"))
    loan.refresh_from_db()

    assert renewed == f"Copy c-1 is renewed until {loan.due_at:%Y-%m-%d}."
    assert told(press(f"return:{loan.pk}")) == ["Copy c-1 returned. Put it back on the shelf."]


def test_a_refused_renewal_says_why(press, ada):
    general_policy(max_renewals=0)
    loan = LoanFactory(member=ada, lent_at=timezone.now())

    assert told(press(f"renew:{loan.pk}")) == ["This loan was renewed 0 times, and 0 is the limit."]


def test_a_reservation_is_cancelled(press, ada):
    place = ReservationFactory(member=ada, book__title="Middlemarch")

    assert told(press(f"cancel:{place.pk}")) == ["The reservation of “Middlemarch” is cancelled."]


def test_a_loan_of_somebody_else_is_not_touched_from_here(press):
    other, place = LoanFactory(), ReservationFactory()

    assert told(press(f"return:{other.pk}")) == ["Nothing was done."]
    assert told(press(f"cancel:{place.pk}")) == ["Nothing was done."]


def test_a_member_of_many_loans_is_shown_the_first_ones_in_a_few_queries(desk, ada, django_assert_num_queries):
    book = BookFactory()
    for _ in range(60):
        LoanFactory(member=ada, book=book, returned=True)
    ReservationFactory(member=ada)

    with django_assert_num_queries(6):
        page = desk.open(f"/admin/members/{ada.pk}/")

    assert len(page.context["history"]) == 50
    assert "All of them" in page.text


def test_a_member_who_is_not_there_is_not_found(desk):
    assert desk.client.get("/admin/members/987654/").status_code == 404


def test_titles_show_at_a_glance_where_their_copies_are(desk, django_assert_num_queries):
    book = BookFactory(title="Middlemarch", copies=2)
    for state in ("on_loan", "on_hold_shelf", "in_transit", "lost", "withdrawn"):
        CopyFactory(book=book, **{state: True})
    BookFactory(title="Nothing")

    page = desk.open("/admin/library/book/")
    words = "2 available · 1 on loan · 1 on the hold shelf · 1 in transit · 1 not here"
    assert words in page.text
    assert "no copies" in page.text

    page = desk.open(f"/admin/library/book/{book.pk}/change/")
    assert "5 in the library, 2 available" in page.text
    assert f'href="/admin/reservations/line/{book.pk}/"' in page.text
    assert "glance-badge glance-in_transit" in page.text
