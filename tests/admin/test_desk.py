"""The page of the desk: who sees it, and what it brings along. What it does is tried in tests/browser."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from circulation.desk.texts import texts
from tests.factories import BranchFactory, UserFactory

pytestmark = pytest.mark.django_db

DESK = "/admin/desk/"
SCRIPTS = ("desk", "keys", "outbox", "outcomes", "service", "sound", "store", "texts", "view")


def script(name: str) -> str:
    with open(finders.find(f"circulation/desk/{name}.js"), encoding="utf-8") as file:
        return file.read()


def test_librarians_have_a_desk():
    client = Client()
    client.force_login(UserFactory(staff=True))

    assert client.get(DESK).status_code == 200


@pytest.mark.parametrize("who", ["anonymous", "member"])
def test_others_are_asked_to_sign_in_first(who):
    client = Client()
    if who == "member":
        client.force_login(UserFactory())

    response = client.get(DESK)

    assert (response.status_code, response["Location"]) == (302, f"/admin/login/?next={DESK}")


def test_nothing_is_sent_to_the_page_itself(desk):
    assert desk.client.post(DESK).status_code == 405


def test_its_scripts_are_files_of_ours(desk):
    page = desk.open(DESK)

    assert "script-src 'self'" in page["Content-Security-Policy"]
    written = re.findall(r"<script(?![^>]*(?: src=|type=\"application/json\"))[^>]*>", page.content.decode())
    assert written == []
    assert set(re.findall(r'(?:src|href)="(https?:[^"]*)"', page.content.decode())) == set()


def test_it_gives_its_scripts_what_they_need_to_send_requests(desk):
    page = desk.open(DESK)

    assert page.context["settings"]["librarian"] == "librarian"
    assert page.context["settings"]["csrfCookie"] in page.cookies


def test_it_offers_every_branch_by_name(desk):
    BranchFactory(name="<Harbour>")

    page = desk.open(DESK)

    assert list(page.context["branches"]) == ["<Harbour>", "Main Library"]
    assert "<option>&lt;Harbour&gt;</option>" in page.content.decode()


def test_it_stands_in_the_menu(desk):
    assert f'href="{DESK}"' in desk.open("/admin/").content.decode()


def test_each_sentence_that_the_scripts_say_is_there_and_none_besides():
    said = set()
    for name in SCRIPTS:
        said |= set(re.findall(r'"([a-zA-Z]+)"', script(name)))

    assert set(texts()) - said == set()
    asked = {word for name in SCRIPTS for word in re.findall(r'say\("(\w+)"', script(name))}
    assert asked - set(texts()) == set()


def test_sentences_are_written_for_named_parts():
    for sentence in texts().values():
        assert "{" not in sentence
        assert re.sub(r"%\(\w+\)s", "", sentence).count("%") == 0
