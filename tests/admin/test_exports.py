"""Any list as a file: what it shows, to its end, for those who may see it."""

import csv
import io

import pytest
from django.contrib import admin
from django.test import Client

from config import admin_lists
from events.models import Event, PendingEvent
from library.models import Book, Member
from tests.admin.browser import page
from tests.admin.library import MODELS, stock
from tests.factories import BookFactory, LoanFactory, MemberFactory, UserFactory

pytestmark = pytest.mark.django_db


def export_of(model) -> str:
    return f"/admin/export/{model._meta.app_label}/{model._meta.model_name}/"


def exported(desk, model, **query) -> list[list[str]]:
    response = desk.client.get(export_of(model), query)
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:])))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_list_can_be_taken_away_with_all_its_rows(desk, model, monkeypatch):
    monkeypatch.setattr(admin_lists, "BATCH", 2)
    stock(3)
    count = admin.site.get_model_admin(model).get_queryset(desk.open(page(model)).wsgi_request).count()

    head, *rows = exported(desk, model)

    assert len(rows) == count + (model is Event)  # that it was taken away is an event itself
    assert {len(row) for row in rows} == {len(head)}


def test_a_file_has_the_columns_as_they_are_shown(desk):
    LoanFactory(book=BookFactory(title="Emma", authors="Jane Austen", category="novel", copies=0))

    head, row = exported(desk, Book)

    assert head == ["Title", "Authors", "Category", "Publisher", "Copies", "Where they are", "In circulation"]
    assert row == ["Emma", "Jane Austen", "novel", "", "1", "1 on loan", "yes"]


def test_a_file_has_what_the_list_finds_in_its_order(desk, monkeypatch):
    monkeypatch.setattr(admin_lists, "BATCH", 2)
    for name in ("Adams", "Zola", "Austen", "Aiken"):
        MemberFactory(first_name="X", last_name=name)

    found, turned = exported(desk, Member, q="A", o="2"), exported(desk, Member, o="-2")

    assert [name for _, name, *_ in found[1:]] == ["X Adams", "X Aiken", "X Austen"]
    assert [name for _, name, *_ in turned[1:]] == ["X Zola", "X Austen", "X Aiken", "X Adams"]


@pytest.mark.parametrize("order", ["7", "-7"])
def test_what_is_empty_is_neither_lost_nor_repeated_between_two_batches(desk, monkeypatch, order):
    monkeypatch.setattr(admin_lists, "BATCH", 2)
    for day in (None, "2031-01-02", None, "2030-01-02", None):
        MemberFactory(expires_on=day)
    listed = [member.card_number for member in desk.open(page(Member), o=order).context["cl"].result_list]

    assert [row[0] for row in exported(desk, Member, o=order)[1:]] == listed


def test_a_formula_stays_text(desk):
    BookFactory(title="=HYPERLINK(1)", authors="+1")

    assert exported(desk, Book)[1][:2] == ["'=HYPERLINK(1)", "'+1"]


def test_the_audit_trail_says_who_took_which_list_away_and_nobody_outside_is_told(desk, librarian):
    PendingEvent.objects.all().delete()

    exported(desk, Book, q="Emma")

    event = Event.objects.latest("pk")
    assert (event.kind, event.actor_id) == ("list.exported", librarian.pk)
    assert event.payload == {"name": "library.book", "asked": "q=Emma"}
    assert not PendingEvent.objects.exists()


def test_who_may_not_see_a_list_may_not_take_it_away():
    client = Client()
    client.force_login(UserFactory())

    assert client.get(export_of(Book)).status_code == 302
    assert not Event.objects.filter(kind="list.exported").exists()


def test_files_of_the_audit_trail_are_for_admins():
    client = Client()
    client.force_login(UserFactory(staff=True))

    assert client.get(page(Event)).status_code == 200
    assert client.get(export_of(Event)).status_code == 403


def test_a_list_that_is_not_there_is_missing(desk):
    assert desk.client.get("/admin/export/library/nothing/").status_code == 404
    assert desk.client.get("/admin/export/sessions/session/").status_code == 404


def test_every_list_has_the_link_with_what_it_was_asked_for(desk):
    assert "/admin/export/library/book/?q=Emma" in desk.open(page(Book), q="Emma").text
