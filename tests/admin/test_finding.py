"""One field that finds anything."""

import pytest
from django.contrib import admin
from django.test import Client

from library.models import Book, Copy
from tests.admin.browser import change_page
from tests.factories import BookFactory, CopyFactory, MemberFactory, UserFactory

pytestmark = pytest.mark.django_db


def find(desk, text: str):
    return desk.client.get("/admin/find/", {"q": text})


def test_a_barcode_leads_to_its_copy(desk):
    copy = CopyFactory(barcode="B-1")

    assert find(desk, " B-1 ").url == change_page(copy)


def test_a_card_number_leads_to_its_member(desk):
    member = MemberFactory(card_number="M77")

    assert find(desk, "M77").url == change_page(member)


@pytest.mark.parametrize("isbn", ["9780141439518", "978-0-14-143951-8", "0141439513"])
def test_an_isbn_leads_to_its_title(desk, isbn):
    book = BookFactory(isbn="9780141439518")

    assert find(desk, isbn).url == change_page(book)


def test_a_number_of_two_things_asks_which_is_meant(desk):
    copy, member = CopyFactory(barcode="77"), MemberFactory(card_number="77")

    found = find(desk, "77").context["found"]

    assert [one.link for one in found] == [change_page(copy), change_page(member)]


def test_words_find_titles_members_and_pages(desk):
    book = BookFactory(title="Loans and Losses")
    member = MemberFactory(first_name="Ada", last_name="Loansdale")
    BookFactory(title="Emma")

    found = find(desk, "loans").context["found"]

    assert [one.link for one in found] == ["/admin/circulation/loan/", change_page(book), change_page(member)]


@pytest.mark.parametrize("text", ["", "  ", "\x00", "zzzzqqqq", "x" * 5000])
def test_what_finds_nothing_says_so(desk, text):
    response = find(desk, text)

    assert response.status_code in (200, 400)
    if response.status_code == 200:
        assert response.context["found"] == []


def test_the_palette_finds_the_same_and_remembers_nothing(desk):
    assert "Emma" not in desk.open("/admin/search/", s="emma", extended="1").text
    BookFactory(title="Emma")

    assert "Emma" in desk.open("/admin/search/", s="emma", extended="1").text


def test_nobody_finds_what_they_may_not_see(desk, monkeypatch):
    BookFactory(title="Emma")
    CopyFactory(barcode="B-1")
    for model in (Book, Copy):
        monkeypatch.setattr(type(admin.site.get_model_admin(model)), "has_view_permission", lambda *_: False)

    assert find(desk, "emma").context["found"] == []
    assert find(desk, "B-1").context["found"] == []


def test_readers_find_nothing():
    client = Client()
    client.force_login(UserFactory())

    assert client.get("/admin/find/", {"q": "x"}).status_code == 302
