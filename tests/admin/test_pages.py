"""Every list and every page: they open, they stay quick, and nothing that was stored runs in the browser."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from accounts.models import APIKey, User
from circulation.models import Loan
from events import admin as events_admin
from events.models import Event
from library.models import Book, Copy, Member
from reservations.models import Reservation
from tests.admin.browser import change_page, page
from tests.admin.library import ADDED_BY_HAND, MODELS, row_of, stock
from tests.factories import (
    NOW,
    BookFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db

OUR_APPS = (
    "accounts",
    "events",
    "library",
    "reservations",
    "circulation",
    "webhooks",
    "notifications",
    "partners",
    "logbook",
)
HOSTILE = "<script>alert('read me')</script>"

models = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


def queries_of(desk, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        desk.open(url)
    return len(queries)


def test_every_model_is_in_the_admin():
    ours = {model for app in OUR_APPS for model in apps.get_app_config(app).get_models()}

    assert ours == set(MODELS)
    assert ours <= set(admin.site._registry)


def test_the_index_opens(desk):
    desk.open("/admin/")


@models
def test_every_list_opens(desk, model):
    stock()

    response = desk.open(page(model))

    assert response.context["cl"].result_count > 0


@models
def test_every_row_has_a_page(desk, model):
    stock()

    desk.open(change_page(row_of(model)))


@pytest.mark.parametrize("model", [PeriodicTask, CrontabSchedule, IntervalSchedule])
def test_the_pages_of_the_schedule_open(desk, model):
    every = IntervalSchedule.objects.create(every=1, period="hours")
    PeriodicTask.objects.create(name="x", task="events.tasks.forget", interval=every)
    CrontabSchedule.objects.create()

    desk.open(page(model))
    desk.open(change_page(model.objects.last()))


@models
def test_every_row_has_a_history(desk, model):
    stock()

    response = desk.client.get(page(model, "history", row_of(model).pk), follow=True)

    assert response.status_code == 200


@models
def test_what_does_not_exist_is_said_to_be_missing(desk, model):
    response = desk.client.get(page(model, "change", 999_999), follow=True)

    assert response.redirect_chain
    assert "doesn’t exist" in str(next(iter(response.context["messages"])))


def test_a_message_waits_for_the_next_page_whatever_the_api_is_asked_meanwhile(desk):
    moved = desk.client.get(page(Book, "change", 999_999))
    desk.client.get("/api/books/")

    assert "doesn’t exist" in str(next(iter(desk.client.get(moved.url).context["messages"])))


@pytest.mark.parametrize("model", ADDED_BY_HAND, ids=lambda model: model.__name__)
def test_what_may_be_added_has_a_form_for_it(desk, model):
    desk.open(page(model, "add"))


@models
def test_the_admin_is_closed_to_readers(model):
    client = Client()
    client.force_login(UserFactory())

    assert client.get(page(model)).status_code == 302


# --- Quick, however much there is --------------------------------------------------------------------------------


@models
def test_a_longer_list_asks_no_more_questions(desk, model):
    stock(2)
    desk.open(page(model))  # what is remembered is remembered now
    few = queries_of(desk, page(model))
    stock(6)
    desk.open(page(model))

    assert queries_of(desk, page(model)) == few
    assert few <= 8


def test_a_title_with_many_copies_and_a_long_line_asks_no_more_questions(desk):
    book = BookFactory()

    def grow():
        for loan in LoanFactory.create_batch(4, book=book):
            ReservationFactory(book=book, member=MemberFactory(), branch=loan.copy.branch)
        ReservationFactory(book=book, ready=True)

    grow()
    desk.open(change_page(book))  # what is remembered is remembered now
    few = queries_of(desk, change_page(book))
    grow()

    assert queries_of(desk, change_page(book)) == few
    assert few <= 8


def test_a_member_with_many_loans_and_reservations_asks_no_more_questions(desk):
    member = MemberFactory()

    def grow():
        LoanFactory.create_batch(3, member=member)
        ReservationFactory.create_batch(3, member=member)

    grow()
    desk.open(change_page(member))  # what is remembered is remembered now
    few = queries_of(desk, change_page(member))
    grow()

    assert queries_of(desk, change_page(member)) == few
    assert few <= 10


def test_a_page_shows_the_first_rows_of_a_list_that_would_fill_it(desk, monkeypatch):
    monkeypatch.setattr(events_admin, "INLINE_ROWS", 2)
    book = BookFactory(copies=3)

    response = desk.open(change_page(book))

    copies, _ = response.context["inline_admin_formsets"]
    assert [form.instance.barcode for form in copies.formset.forms] == [
        copy.barcode for copy in Copy.objects.order_by("pk")[:2]
    ]
    assert "3 in the library, 3 available" in response.text


def test_a_long_list_is_not_counted_to_its_end_and_says_so(desk, monkeypatch):
    monkeypatch.setattr(events_admin, "COUNTED", 3)
    BookFactory.create_batch(5)

    assert "3+ titles" in " ".join(desk.open(page(Book)).text.split())


def test_a_list_that_was_counted_to_its_end_says_how_long_it_is(desk, monkeypatch):
    monkeypatch.setattr(events_admin, "COUNTED", 3)
    BookFactory.create_batch(3)

    text = " ".join(desk.open(page(Book)).text.split())
    assert "3 titles" in text
    assert "3+" not in text


# --- Text is text ------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile_rows(db):
    book = BookFactory(title=HOSTILE, authors=HOSTILE, publisher=HOSTILE, category=HOSTILE, language="<b>")
    member = MemberFactory(last_name=HOSTILE, card_number=HOSTILE, blocked_reason=HOSTILE)
    LoanFactory(book=book, member=member)
    ReservationFactory(book=book, member=member)
    Event.objects.create(
        kind="checkout", book_id=book.pk, member_id=member.pk, payload={"note": HOSTILE}, occurred_at=NOW
    )


@models
@pytest.mark.usefixtures("hostile_rows")
def test_html_in_a_list_is_shown_and_not_run(desk, model):
    text = desk.open(page(model)).text

    assert "<script>alert" not in text
    if model in (Book, Copy, Member, Loan, Reservation):
        assert "&lt;script&gt;alert" in text


@pytest.mark.usefixtures("hostile_rows")
@pytest.mark.parametrize("model", [Book, Copy, Member, Loan, Reservation, Event], ids=lambda model: model.__name__)
def test_html_on_a_page_is_shown_and_not_run(desk, model):
    text = desk.open(change_page(row_of(model))).text

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


@pytest.mark.parametrize("action", ["withdraw", "take_out_of_circulation", "put_back_in_circulation"])
def test_html_in_a_question_or_a_message_is_shown_and_not_run(desk, action):
    book = BookFactory(title=HOSTILE)

    for response in (desk.act(action, book), desk.confirm(action, book)):
        assert "<script>alert" not in response.text


@pytest.mark.parametrize(
    ("model", "query"),
    [
        (Event, "payload=%00"),
        (Event, "kind__regex=[]"),
        (Event, "occurred_at__year=-1"),
        (Event, "book_id__in=99999999999999999999999"),
        (Event, "book_id=99999999999999999999999"),
        (Event, "occurred_at__gte=x"),
        (Copy, "status=%00"),
        (Copy, "q=%00"),
        (Copy, "book__id__exact=x"),
        (Reservation, "status=%00"),
        (Reservation, "member__user__password__startswith=p"),
        (APIKey, "scopes=abc"),
        (User, "password__startswith=p"),
    ],
)
def test_a_query_that_nobody_offered_is_refused(desk, model, query):
    response = desk.client.get(f"{page(model)}?{query}")

    assert response.status_code in (302, 400) or "book_id=9" in query


def test_finding_by_what_cannot_be_stored_is_refused(desk):
    asked = "app_label=accounts&model_name=apikey&field_name=owner&term=%00"

    assert desk.client.get(f"/admin/autocomplete/?{asked}").status_code == 400
