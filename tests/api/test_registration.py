"""People who come by themselves: with an account, or to be known at the desk."""

import pytest

from accounts.models import Role, User
from events.models import Event
from library.models import Member
from tests.api.asking import MEMBER, data_of, error_of, everything, invalid_fields, message_of
from tests.api.signing import PASSWORD, signed_in
from tests.factories import MemberFactory, UserFactory

pytestmark = pytest.mark.django_db

REGISTER = "/api/register/"
ADA = {"username": "ada", "password": PASSWORD, "email": "ada@example.org"}


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_signing_up_makes_an_account_and_its_member(anyone):
    response = anyone.post(REGISTER, ADA)

    data = data_of(response, 201)
    assert list(data) == ["username", "role", "member"]
    assert (data["username"], data["role"], set(data["member"])) == ("ada", "member", MEMBER)
    assert (data["member"]["name"], data["member"]["email"]) == ("ada", "ada@example.org")
    assert message_of(response) == f"Welcome, ada. Your card number is {data['member']['card_number']}."
    assert (response["Location"], response["Cache-Control"]) == ("/api/me/", "no-store")
    member = Member.objects.get()
    assert member.user == User.objects.get()
    assert member.user.check_password(PASSWORD)
    assert member.user.role == Role.MEMBER
    assert [event.kind for event in Event.objects.order_by("pk")] == ["account.saved", "member.enrolled"]


def test_a_name_may_be_given(anyone):
    anyone.post(REGISTER, ADA | {"name": "Ada Lovelace"})

    assert (Member.objects.get().first_name, Member.objects.get().last_name) == ("Ada", "Lovelace")


def test_signing_up_signing_in_and_looking(anyone):
    anyone.post(REGISTER, ADA)
    pair = data_of(anyone.post("/api/token/", {"username": "ada", "password": PASSWORD}))

    me = data_of(anyone.get("/api/me/", HTTP_AUTHORIZATION=f"Bearer {pair['access']}"))

    assert (me["username"], me["role"], me["scopes"], me["member"]["name"]) == ("ada", "member", None, "ada")


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({"username": ""}, {"username": "blank"}),
        ({"username": "a b"}, {"username": "invalid"}),
        ({"username": "<b>"}, {"username": "invalid"}),
        ({"username": "x" * 151}, {"username": "max_length"}),
        ({"username": None}, {"username": "null"}),
        ({"email": "nonsense"}, {"email": "invalid"}),
        ({"email": ""}, {"email": "blank"}),
        ({"password": "12345678"}, {"password": "password_too_common"}),
        ({"password": "7182818284"}, {"password": "password_entirely_numeric"}),
        ({"password": "x7"}, {"password": "password_too_short"}),
        ({"password": "ada@example.org"}, {"password": "password_too_similar"}),
        ({"name": "Ada", "first_name": "Ada"}, {"name": "invalid"}),
        ({"is_staff": True}, {"is_staff": "unknown"}),
        ({"role": "admin", "is_superuser": 1}, {"role": "unknown", "is_superuser": "unknown"}),
        ({"blocked_reason": "", "category": "x"}, {"blocked_reason": "unknown", "category": "unknown"}),
    ],
)
def test_what_an_account_cannot_be(anyone, sent, complaints):
    before = everything()

    assert invalid_fields(anyone.post(REGISTER, ADA | sent)) == complaints

    assert everything() == before
    assert not User.objects.exists()


def test_everything_is_needed(anyone):
    assert invalid_fields(anyone.post(REGISTER, {})) == dict.fromkeys(ADA, "required")


@pytest.mark.parametrize("username", ["ada", "ADA", "Ada", "ａｄａ"])
def test_a_username_is_taken_in_any_case(anyone, username):
    UserFactory(username="ada")

    details = error_of(anyone.post(REGISTER, ADA | {"username": username}), 409, "DUPLICATE")

    assert details == {"username": [{"code": "unique", "message": "This username is taken."}]}
    assert not Member.objects.exists()


def test_an_email_that_a_member_has_gets_nobody_into_their_account(anyone):
    MemberFactory(email="Ada@example.org")

    details = error_of(anyone.post(REGISTER, ADA), 409, "DUPLICATE")

    assert list(details) == ["email"]
    assert not User.objects.exists()


def test_a_rehearsal_of_signing_up_is_refused(anyone):
    assert invalid_fields(anyone.post(f"{REGISTER}?dry_run=true", ADA)) == {"dry_run": "invalid"}
    assert not User.objects.exists()


# --- Enrolling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent", [{"name": "Ada Lovelace"}, {"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"}]
)
def test_anybody_enrols(anyone, sent):
    data = data_of(anyone.post("/api/users/", sent), 201)

    assert (data["id"], data["name"]) == (Member.objects.get().pk, "Ada Lovelace")
    assert not User.objects.exists()


def test_who_enrols_is_answered_as_the_desk_would_be(anyone, api):
    response = anyone.post("/api/users/", {"name": "Ada"})

    data = data_of(response, 201)
    read = api.get(response["Location"])
    assert (data, response["ETag"]) == (data_of(read), read["ETag"])


def test_who_enrols_sets_nothing_that_is_the_staffs(anyone):
    sent = {"name": "Ada", "category": "staff", "expires_on": "2999-01-01", "card_number": "1"}

    assert set(invalid_fields(anyone.post("/api/users/", sent)).values()) == {"unknown"}


def test_who_enrols_cannot_ask_without_a_trace_whose_address_is_known(anyone, api):
    MemberFactory(email="ada@example.org")
    sent = {"name": "Ada", "email": "ada@example.org"}

    assert invalid_fields(anyone.post("/api/users/?dry_run=true", sent)) == {"dry_run": "invalid"}
    error_of(api.post("/api/users/?dry_run=true", sent), 409, "DUPLICATE")


def test_an_email_is_enrolled_once(anyone):
    sent = {"name": "Ada", "email": "ada@example.org"}
    data_of(anyone.post("/api/users/", sent), 201)

    error_of(anyone.post("/api/users/", sent | {"email": "ADA@example.org"}), 409, "DUPLICATE")


def test_keys_of_different_addresses_are_different(anyone):
    first = anyone.post("/api/users/", {"name": "Ada"}, HTTP_IDEMPOTENCY_KEY="1", REMOTE_ADDR="192.0.2.1")
    again = anyone.post("/api/users/", {"name": "Ada"}, HTTP_IDEMPOTENCY_KEY="1", REMOTE_ADDR="192.0.2.1")
    other = anyone.post("/api/users/", {"name": "Ada"}, HTTP_IDEMPOTENCY_KEY="1", REMOTE_ADDR="192.0.2.2")

    assert again["Idempotency-Replayed"] == "true"
    assert data_of(first, 201) == data_of(again, 201)
    assert data_of(other, 201)["id"] != data_of(first, 201)["id"]


# --- What this library lets people do by themselves ------------------------------------------------------------------


def test_a_library_may_enrol_at_the_desk_only(anyone, api, settings):
    settings.SELF_SERVICE = {"borrow", "return", "renew", "reserve"}

    for path, sent in ((REGISTER, ADA), ("/api/users/", {"name": "Ada"})):
        response = anyone.post(path, sent)
        error_of(response, 403, "PERMISSION_DENIED")
        assert response.json()["error"]["message"] == (
            "Please come to the desk for this: here, members cannot do it by themselves."
        )
    assert not Member.objects.exists()
    data_of(api.post("/api/users/", {"name": "Ada"}), 201)


@pytest.mark.parametrize(
    ("part", "path", "sent"),
    [
        ("borrow", "/api/circulation/checkout/", {"book_id": 1}),
        ("borrow", "/api/reservations/1/fulfill/", {}),
        ("return", "/api/circulation/return/", {"book_id": 1}),
        ("renew", "/api/circulation/renew/", {"loan_id": 1}),
        ("reserve", "/api/reservations/", {"book_id": 1}),
        ("reserve", "/api/reservations/1/cancel/", {}),
        ("reserve", "/api/reservations/1/suspend/", {}),
        ("reserve", "/api/reservations/1/resume/", {}),
    ],
)
def test_each_part_of_self_service_can_be_turned_off(api, settings, part, path, sent):
    member = MemberFactory(user=UserFactory())
    client = signed_in(member.user)

    settings.SELF_SERVICE = {"register", "borrow", "return", "renew", "reserve"} - {part}
    error_of(client.post(path, sent), 403, "PERMISSION_DENIED")
    assert api.post(path, sent | ({"member_id": member.pk} if "book_id" in sent else {})).status_code == 404

    settings.SELF_SERVICE = {part}
    assert client.post(path, sent).status_code == 404
