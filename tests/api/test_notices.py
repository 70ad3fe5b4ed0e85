"""What members want to be written about, over HTTP."""

import pytest

from integrations.notifications.kinds import Kind
from integrations.notifications.models import Preferences
from tests.api.asking import data_of, error_of
from tests.api.signing import signed_in, with_key
from tests.factories import MemberFactory, UserFactory

pytestmark = pytest.mark.django_db

KINDS = [
    "registration", "reserved", "ready", "expiring", "due_soon", "overdue", "returned", "renewed", "cancelled",
]  # fmt: skip
USUAL = {"language": "en", "unwanted": [], "kinds": KINDS}


@pytest.fixture
def ada():
    return MemberFactory(user=UserFactory())


def test_everything_is_wanted_in_the_librarys_language_until_it_is_said_otherwise(api, ada):
    assert data_of(api.get(f"/api/members/{ada.pk}/notices/")) == USUAL
    assert data_of(signed_in(ada.user).get("/api/me/notices/")) == USUAL
    assert list(Kind.values) == KINDS
    assert not Preferences.objects.exists()


def test_a_member_chooses_for_themselves(ada):
    client = signed_in(ada.user)

    response = client.patch("/api/me/notices/", {"language": "ar", "unwanted": ["returned", "ready", "returned"]})

    assert data_of(response) == USUAL | {"language": "ar", "unwanted": ["ready", "returned"]}
    assert data_of(client.get(f"/api/members/{ada.pk}/notices/")) == data_of(response)


def test_what_is_not_given_stays(api, ada):
    url = f"/api/members/{ada.pk}/notices/"
    api.patch(url, {"language": "ar"})
    api.patch(url, {"unwanted": ["ready"]})
    api.patch(url, {})

    assert data_of(api.get(url)) == USUAL | {"language": "ar", "unwanted": ["ready"]}
    assert data_of(api.patch(url, {"unwanted": []})) == USUAL | {"language": "ar"}
    assert data_of(api.patch(url, {"language": None})) == USUAL
    assert Preferences.objects.get().language == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"language": "klingon"}, "language"),
        ({"language": ""}, "language"),
        ({"language": 1}, "language"),
        ({"unwanted": ["everything"]}, "unwanted.0"),
        ({"unwanted": "ready"}, "unwanted"),
        ({"unwanted": None}, "unwanted"),
        ({"unwanted": ["ready"] * 21}, "unwanted"),
        ({"kinds": []}, "kinds"),
    ],
)
def test_what_makes_no_sense_is_refused(api, ada, body, field):
    details = error_of(api.patch(f"/api/members/{ada.pk}/notices/", body), 400, "VALIDATION_ERROR")

    assert list(details) == [field]
    assert not Preferences.objects.exists()


def test_other_peoples_are_nobodys_business(ada):
    other = MemberFactory()
    client = signed_in(ada.user)

    for response in (
        client.get(f"/api/members/{other.pk}/notices/"),
        client.patch(f"/api/members/{other.pk}/notices/", {"language": "ar"}),
    ):
        error_of(response, 404, "MEMBER_NOT_FOUND")
    assert not Preferences.objects.exists()


def test_who_is_not_there_has_none(api):
    error_of(api.get("/api/members/47110815/notices/"), 404, "MEMBER_NOT_FOUND")
    error_of(api.patch("/api/members/47110815/notices/", {"language": "ar"}), 404, "MEMBER_NOT_FOUND")


def test_choosing_cannot_be_rehearsed(api, ada):
    error_of(api.patch(f"/api/members/{ada.pk}/notices/?dry_run=true", {"language": "ar"}), 400, "VALIDATION_ERROR")


def test_a_key_needs_the_scope_of_members(ada):
    admin = UserFactory(admin=True)

    data_of(with_key(admin, "members:read").get(f"/api/members/{ada.pk}/notices/"))
    error_of(with_key(admin, "members:read").patch(f"/api/members/{ada.pk}/notices/", {}), 403, "PERMISSION_DENIED")
