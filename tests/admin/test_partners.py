"""Partner libraries in the admin: registered, put right, seen without their keys."""

import logging

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.test import Client

from events.models import Event
from integrations.partners.breaker import breaker_of
from integrations.partners.calling import Failure
from integrations.partners.models import Partner, partner_named
from library.models import Branch
from tests.admin.browser import change_page, errors, page
from tests.factories import BranchFactory, PartnerReservationFactory, UserFactory

pytestmark = pytest.mark.django_db

KEY = "cdk_0123456789012345678901234567890123456789012"
NEW = page(Partner, "add")


def partner(**fields):
    return Partner.objects.create(**{"name": "library 2", "base_url": "https://library.example.org"} | fields)


def add(desk, **fields):
    return desk.save(NEW, **{"name": "library 2", "base_url": "https://library.example.org"} | fields)


def last_event():
    found = Event.objects.filter(kind__startswith="partner.").latest("pk")
    return found.kind, found.payload


def test_a_partner_is_registered(desk, librarian):
    add(desk, base_url="https://library.example.org/desk", new_key=KEY)

    made = Partner.objects.get()
    assert (made.name, made.base_url, made.protocol, made.daia_id, made.timeout, made.is_on, made.allows_private) == (
        "library 2", "https://library.example.org/desk", "circdesk", "{isbn}", 1.5, True, False,
    )  # fmt: skip
    assert made.api_key == KEY
    kind, payload = last_event()
    assert (kind, payload["name"], payload["record"]) == ("partner.saved", "library 2", made.pk)
    assert "api_key" in payload["changed"]
    assert Event.objects.latest("pk").actor_id == librarian.pk


def test_of_a_partner_that_is_not_there_yet_nothing_is_said(desk):
    texts = ("How it stands with it", "Last failure", "Forget the API key", "not set")

    made = partner()

    assert [text for text in texts if text in desk.open(NEW).text] == []
    assert [text for text in texts if text in desk.open(change_page(made)).text] == list(texts)


def test_the_key_is_kept_changed_and_forgotten(desk):
    made = partner(api_key=KEY)

    desk.save(change_page(made), position="3")
    made.refresh_from_db()
    assert (made.api_key, made.position) == (KEY, 3)
    assert last_event()[1]["changed"] == ["position"]

    desk.save(change_page(made), new_key="another")
    made.refresh_from_db()
    assert made.api_key == "another"
    assert last_event()[1]["changed"] == ["api_key"]

    desk.save(change_page(made), without_key="on")
    made.refresh_from_db()
    assert made.api_key == ""


def test_a_key_cannot_be_changed_and_forgotten_at_once(desk):
    made = partner(api_key=KEY)

    response = desk.save(change_page(made), new_key="another", without_key="on")

    assert errors(response) == {"__all__": ["Either a new API key or none."]}
    made.refresh_from_db()
    assert made.api_key == KEY


def test_no_page_event_log_or_form_shows_the_key(desk, caplog):
    caplog.set_level(logging.DEBUG)
    add(desk, new_key=KEY)
    made = Partner.objects.get()
    refused = desk.save(change_page(made), new_key=KEY + "x", base_url="nowhere")

    pages = [desk.open(url).text for url in (page(Partner), change_page(made), "/admin/")]

    assert all(KEY not in text for text in [*pages, refused.text, repr(made), str(made), caplog.text])
    assert "set" in pages[1]
    written = [str(values) for model in (Event, LogEntry) for values in model.objects.values()]
    assert written
    assert all(KEY not in text for text in written)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"base_url": "ftp://a.example"}, {"base_url": ["The URL begins with https:// or http://."]}),
        ({"base_url": "https://a:b@a.example"}, {"base_url": ["Name and password do not belong in the URL."]}),
        ({"base_url": "https://a.example/?q=1"}, {"base_url": ["Leave out the question mark and what follows it."]}),
        ({"base_url": "https://a.example/#x"}, {"base_url": ["What follows a # would not be sent."]}),
        ({"base_url": "http://10.0.0.1"}, {"base_url": ["10.0.0.1 is not on the public internet."]}),
        ({"base_url": "http://0x7f.1"}, {"base_url": ["0x7f.1 is not on the public internet."]}),
        ({"base_url": "http://[::1]"}, {"base_url": ["::1 is not on the public internet."]}),
        (
            {"base_url": "http://169.254.169.254", "allows_private": "on"},
            {"base_url": ["169.254.169.254 is not on the public internet."]},
        ),
        (
            {"base_url": "http://a.example", "new_key": KEY},
            {"base_url": ["The API key must not travel in the clear: the URL begins with https://."]},
        ),
        ({"timeout": "0.05"}, {"timeout": ["Ensure this value is greater than or equal to 0.1."]}),
        ({"timeout": "2.5"}, {"timeout": ["Ensure this value is less than or equal to 2.0."]}),
        ({"new_key": "a b"}, {"new_key": ["An API key has neither spaces nor letters beyond ASCII."]}),
        ({"new_key": "a\nb: c"}, {"new_key": ["An API key has neither spaces nor letters beyond ASCII."]}),
        ({"protocol": "daia", "daia_id": "x"}, {"daia_id": ["Write {isbn} where the ISBN belongs."]}),
    ],
)
def test_what_cannot_be_asked_is_not_registered(desk, fields, wrong):
    response = add(desk, **fields)

    assert errors(response) == wrong
    assert not Partner.objects.exists()


@pytest.mark.parametrize("url", ["http://10.0.0.1:8000", "http://127.0.0.1", "http://[::1]:9", "http://[fd12::1]/x"])
def test_an_admin_may_allow_a_private_network(desk, url):
    add(desk, base_url=url, allows_private="on", new_key=KEY)

    assert Partner.objects.get().base_url == url


def test_a_name_belongs_to_one_library(desk):
    partner(name="Library 2")
    BranchFactory(name="Ostend")

    assert errors(add(desk, name="LIBRARY 2")) == {"__all__": ["There is one with this name already."]}
    assert errors(add(desk, name="ostend")) == {"name": ["A branch of ours has this name."]}
    response = desk.save(page(Branch, "add"), name="library 2")
    assert errors(response) == {"name": ["A partner library has this name."]}
    assert partner_named("LIBRARY 2").name == "Library 2"
    assert partner_named("library 3") is None


def test_a_partner_that_is_off_is_not_found_by_its_name():
    partner(is_on=False)

    assert partner_named("library 2") is None


def fail(made, times):
    def failing():
        raise Failure("It answered 500.")

    for _ in range(times):
        with pytest.raises(Failure):
            breaker_of(made).call(failing)


def test_it_is_seen_how_it_stands_with_a_partner(desk):
    cache.clear()
    made = partner()

    assert "Asked" in desk.open(change_page(made)).text
    assert "None that is known" in desk.open(page(Partner)).text
    with time_machine.travel("2026-03-02T10:00Z", tick=False):
        fail(made, 3)
        for url in (page(Partner), change_page(made)):
            text = desk.open(url).text
            assert "Left alone for a while" in text
            assert "It answered 500. (0\xa0minutes ago, 2026-03-02 10:00)" in text
    with time_machine.travel("2026-03-02T10:01Z", tick=False):
        assert "Tried again with the next request" in desk.open(change_page(made)).text
    made.is_on = False
    made.save()
    assert "Off" in desk.open(page(Partner)).text


def test_a_partner_that_was_put_right_is_asked_at_once(desk):
    made = partner()
    fail(made, 3)

    desk.save(change_page(made), base_url="https://right.example.org")

    assert breaker_of(made).current_state == "closed"


@pytest.mark.parametrize("service", ["public", "admin"])
def test_of_two_services_each_has_partners_of_its_own(settings, service):
    settings.SERVICE = service
    made = partner()
    made.delete()

    assert [event.kind for event in Event.objects.order_by("pk")] == ["partner.saved", "partner.deleted"]


def test_a_partner_of_which_something_is_reserved_stays(desk):
    kept = PartnerReservationFactory()

    desk.client.post(page(Partner, "delete", kept.partner_id), {"post": "yes"})

    assert Partner.objects.filter(pk=kept.partner_id).exists()


def test_a_partner_is_removed(desk):
    made = partner(api_key=KEY)

    desk.client.post(page(Partner, "delete", made.pk), {"post": "yes"})

    assert not Partner.objects.exists()
    assert last_event() == ("partner.deleted", {"record": made.pk, "name": "library 2"})


def test_the_pages_are_for_admins():
    client = Client()
    client.force_login(UserFactory(staff=True))

    assert client.get(page(Partner)).status_code == 403
    assert client.get(NEW).status_code == 403
