"""Whoever is forgotten is forgotten in the audit trail as well: names, addresses, and what they were before."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from circulation.anonymising import anonymise_history
from circulation.members import delete
from events.models import Event
from library.models import Member
from tests.admin.browser import change_page
from tests.api.conftest import Client
from tests.api.signing import signed_in
from tests.factories import BookFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

HOME = "203.0.113.9"
TRACES = [HOME, "Zora", "Quill", "zora", "example.org", "CARD-77", "owes us", "home-1"]


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def zora(desk):
    """A member who did what one can do by oneself, from home, and was edited at the desk."""
    at_home = {"REMOTE_ADDR": HOME, "HTTP_X_REQUEST_ID": "home-1"}
    asked = {"username": "zora", "password": "a staple, correct", "email": "zora@example.org"}
    Client().post("/api/register/", asked | {"first_name": "Zora", "last_name": "Quill"}, **at_home)
    own = Member.objects.get()
    client = signed_in(User.objects.get(username="zora"))
    book = BookFactory(copies=1)
    lent = client.post("/api/circulation/checkout/", {"book_id": book.pk, "member_id": own.pk}, **at_home)
    client.post("/api/circulation/return/", {"loan_id": lent.json()["data"]["loan"]["id"]}, **at_home)
    client.patch("/api/me/notices/", {"unwanted": ["returned"]}, **at_home)
    client.post("/api/me/password/", {"current": "a staple, correct", "new": "another, horses"}, **at_home)
    desk.save(change_page(own), card_number="CARD-77", last_name="Quill-Byron", blocked_reason="owes us a book")
    desk.save(change_page(own), email="zora2@example.org", blocked_reason="")
    desk.save(change_page(own.user), email="zora3@example.org", first_name="Zora May")
    return own


def kept() -> str:
    return "\n".join(map(str, Event.objects.values()))


def found() -> list[str]:
    return [trace for trace in TRACES if trace in kept()]


def kinds() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


def test_an_erased_member_leaves_nothing_of_theirs_in_any_event(zora):
    assert found() == TRACES  # or what follows would prove nothing
    before = kinds()

    delete(member_id=zora.pk, at=timezone.now())

    assert found() == []
    assert kinds() == [*before, "member.deleted", "account.deleted"]


def test_what_was_changed_stays_known_by_its_field(zora):
    delete(member_id=zora.pk, at=timezone.now())

    changed = Event.objects.filter(kind="member.edited").order_by("pk").values_list("payload", flat=True)
    assert list(changed) == [
        {"changed": ["card_number", "last_name", "blocked_reason"]},
        {"changed": ["email", "blocked_reason"]},
    ]


def test_with_time_the_trail_forgets_a_member_who_stays(zora):
    done = anonymise_history(before=timezone.now() + timedelta(days=1))

    assert found() == []
    # Registered (account and member), two edits of the member, one of the account, a password, preferences.
    assert done.edits == 7
    assert Member.objects.get().email == "zora2@example.org"
    again = anonymise_history(before=timezone.now() + timedelta(days=1))
    assert (again.actors, again.edits) == (0, 0)


def test_what_is_not_old_enough_stays(zora):
    anonymise_history(before=timezone.now() - timedelta(days=1))

    assert found() == TRACES


def test_who_was_given_which_role_stays_known(desk):
    clerk = UserFactory(username="clerk")
    desk.client.defaults |= {"REMOTE_ADDR": "192.0.2.4"}
    desk.save(change_page(clerk), role="2")

    anonymise_history(before=timezone.now() + timedelta(days=1))

    event = Event.objects.get(kind="account.saved")
    assert (event.payload["changes"], event.address) == ({"role": ["member", "librarian"]}, "192.0.2.4")


def test_what_others_did_for_somebody_else_stays(zora, desk):
    desk.client.defaults |= {"REMOTE_ADDR": "192.0.2.4"}
    book = BookFactory(title="Emma")
    desk.save(change_page(book), title="Persuasion")

    delete(member_id=zora.pk, at=timezone.now())

    event = Event.objects.get(kind="book.edited")
    assert (event.payload["changes"], event.address) == ({"title": ["Emma", "Persuasion"]}, "192.0.2.4")
