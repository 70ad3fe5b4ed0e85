"""Each event says who asked for it and from where: a request with its credential, a command, a task."""

import re
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

import manage
from accounts.addresses import known_as
from accounts.models import APIKey, User
from circulation.tasks import serve_lines
from events.models import Event
from events.origins import NOWHERE, Origin, coming_from, done_by, origin
from events.recording import acting, event
from tests.admin.browser import change_page
from tests.api.conftest import Client
from tests.api.signing import signed_in, with_key
from tests.factories import NOW, BookFactory, MemberFactory, ReservationFactory, UserFactory, general_policy

FROM = {"REMOTE_ADDR": "198.51.100.7"}


def last() -> Event:
    return Event.objects.latest("pk")


def asked_for(event: Event):
    return event.actor_id, event.key_id, event.address, event.source


def lend(client, **extra):
    """A check-out, which is written by a statement of its own."""
    sent = {"member_id": MemberFactory().pk, "book_id": BookFactory(copies=1).pk}
    response = client.post("/api/circulation/checkout/", sent, **FROM, **extra)
    assert response.status_code == 201, response.content
    assert last().kind == "checkout"
    return last()


def edit(client, **extra):
    response = client.patch(f"/api/members/{MemberFactory().pk}/", {"last_name": "King"}, **FROM, **extra)
    assert response.status_code == 200, response.content
    return last()


@pytest.mark.django_db
@pytest.mark.parametrize("ask", [lend, edit])
def test_of_a_token_the_account_and_the_address(ask):
    clerk = UserFactory(staff=True)

    assert asked_for(ask(signed_in(clerk))) == (clerk.pk, None, "198.51.100.7", None)


@pytest.mark.django_db
@pytest.mark.parametrize("ask", [lend, edit])
def test_of_an_api_key_its_owner_the_key_and_the_address(ask):
    clerk = UserFactory(staff=True)
    machine = with_key(clerk, "circulation:write", "members:write")

    assert asked_for(ask(machine)) == (clerk.pk, APIKey.objects.get().pk, "198.51.100.7", None)


@pytest.mark.django_db
@pytest.mark.parametrize("ask", [lend, edit])
def test_of_a_session_the_account_and_the_address(ask):
    clerk, client = UserFactory(staff=True), Client()
    client.force_login(clerk)

    assert asked_for(ask(client)) == (clerk.pk, None, "198.51.100.7", None)


@pytest.mark.django_db
@pytest.mark.parametrize("ask", [lend, edit])
def test_of_an_open_desk_the_address_alone(ask, settings):
    settings.OPEN_DESK = True

    assert asked_for(ask(Client())) == (None, None, "198.51.100.7", None)


@pytest.mark.django_db
def test_of_the_admins_pages_the_account_and_the_address(desk, boss):
    desk.client.defaults |= FROM
    desk.save(change_page(general_policy(max_loans=5)), max_loans="7")

    assert asked_for(last()) == (boss.pk, None, "198.51.100.7", None)


@pytest.mark.django_db
def test_of_somebody_who_enrols_by_themselves_the_address():
    Client().post("/api/users/", {"name": "Ada"}, **FROM)

    assert (last().kind, asked_for(last())) == ("member.enrolled", (None, None, "198.51.100.7", None))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("proxies", "passed", "address"),
    [
        (0, "203.0.113.5", "198.51.100.7"),  # nobody whom we trust says so
        (1, "203.0.113.66, 203.0.113.5", "203.0.113.5"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
    ],
)
def test_behind_proxies_it_is_the_address_that_ours_saw(settings, proxies, passed, address):
    settings.TRUSTED_PROXIES = proxies

    assert lend(signed_in(UserFactory(staff=True)), HTTP_X_FORWARDED_FOR=passed).address == address


@pytest.mark.django_db
def test_every_event_of_a_request_has_its_number():
    client = signed_in(UserFactory(staff=True))
    assert lend(client, HTTP_X_REQUEST_ID="desk-1.42").request_id == "desk-1.42"

    sent = {"title": "Emma", "author": "Jane Austen", "copies": 2}
    assert client.post("/api/books/", sent, HTTP_X_REQUEST_ID="no name\n").status_code == 201
    [number] = set(Event.objects.filter(kind__in=["book.added", "copy.added"]).values_list("request_id", flat=True))
    assert re.fullmatch("[0-9a-f]{32}", number)
    assert lend(client).request_id != number


@pytest.mark.django_db
def test_another_request_comes_from_elsewhere():
    lend(signed_in(UserFactory(staff=True)))

    assert origin() == NOWHERE
    assert asked_for(event(Event.Kind.RENEW, at=NOW)) == (None, None, None, None)


@pytest.mark.django_db(transaction=True)
def test_of_a_command_its_name(monkeypatch):
    UserFactory(username="ada")
    monkeypatch.setattr(sys, "argv", ["manage.py", "set_role", "ada", "librarian"])

    manage.main()

    assert User.objects.get().is_staff
    assert asked_for(last()) == (None, None, None, "manage.py set_role")


@pytest.mark.django_db(transaction=True)
def test_of_a_task_its_name():
    ReservationFactory(ready=True, shelf_until=timezone.now() - timedelta(days=9))

    serve_lines()

    assert last().kind == "expire"
    assert asked_for(last()) == (None, None, None, "circulation.tasks.serve_lines")


def test_a_long_name_is_cut_and_what_comes_afterwards_is_not_done_by_it():
    with done_by("x" * 300):
        assert origin() == Origin(source="x" * 100)
    assert origin() == NOWHERE


def test_whoever_acts_is_named_whoever_sent_it():
    with coming_from(lambda: Origin(actor_id=5, address="192.0.2.1")):
        assert event(Event.Kind.RENEW, at=NOW).actor_id == 5
        with acting(7):
            assert asked_for(event(Event.Kind.RENEW, at=NOW)) == (7, None, "192.0.2.1", None)
        with acting(None):
            assert event(Event.Kind.RENEW, at=NOW).actor_id is None


def test_nobody_is_asked_where_nothing_is_recorded():
    asked = []
    with coming_from(lambda: asked.append(1) or NOWHERE):
        pass
    assert asked == []


@pytest.mark.parametrize(
    ("written", "known"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::"), ("::ffff:192.0.2.1", "192.0.2.1"), ("ada", None)],
)
def test_an_address_is_searched_as_it_is_kept(written, known):
    assert known_as(written) == known
