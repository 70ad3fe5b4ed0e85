"""Webhooks over HTTP: made, changed, tried out, ended; whose they are; and what ends with whoever made them."""

import logging
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks import WebhookVerificationError

from accounts.keys import create_key, revoke_key
from accounts.models import APIKey, User
from integrations.webhooks import services
from integrations.webhooks.models import Delivery, Subscription
from tests.api.asking import data_of, error_of, invalid_fields, message_of
from tests.api.conftest import Client
from tests.api.signing import signed_in, with_key
from tests.factories import KeyFactory, UserFactory, WebhookFactory
from tests.webhooks.conftest import happen, queue
from tests.webhooks.receiving import answering

pytestmark = pytest.mark.django_db

WEBHOOKS = "/api/webhooks/"
WEBHOOK = {
    "id",
    "url",
    "types",
    "description",
    "active",
    "silent_because",
    "failing_since",
    "owner",
    "key_id",
    "created_at",
}
URL = "https://catalogue.example.org/circdesk"


@pytest.fixture
def admin():
    return UserFactory(username="head", admin=True)


@pytest.fixture
def desk(admin):
    return signed_in(admin)


def machine_of(owner, *scopes):
    """A key of theirs, and a client that presents it."""
    key, text = create_key(owner=owner, name="machine", scopes=scopes or ["circulation:read"])
    client = Client()
    client.credentials(HTTP_X_API_KEY=text)
    return key, client


def wanted():
    """How many deliveries the next message gets."""
    before = Delivery.objects.count()
    queue(happen())
    return Delivery.objects.count() - before


# --- Made and changed ----------------------------------------------------------------------------------------


def test_a_webhook_is_made_and_its_secret_is_shown_once(desk, caplog):
    with caplog.at_level(logging.DEBUG):
        response = desk.post(WEBHOOKS, {"url": URL, "types": ["book.returned", "book.borrowed"], "description": "OPAC"})

        data = data_of(response, 201)
        assert set(data) == WEBHOOK | {"secret"}
        assert (data["url"], data["types"]) == (URL, ["book.borrowed", "book.returned"])
        assert (data["active"], data["silent_because"], data["owner"], data["key_id"]) == (True, "", "head", None)
        assert message_of(response) == "Keep this secret safe: it cannot be shown again."
        assert (response["Location"], response["Cache-Control"]) == (f"{WEBHOOKS}{data['id']}/", "no-store")
        secret = data["secret"].encode()
        assert secret.startswith(b"whsec_")
        assert len(secret) == 50
        again = desk.get(response["Location"])
        assert set(data_of(again)) == WEBHOOK
        shown = again.content + desk.get(WEBHOOKS).content
        shown += desk.patch(response["Location"], {"description": "x"}).content
        assert secret[6:] not in shown
    assert data["secret"][6:] not in caplog.text
    assert all(data["secret"][6:] not in str(row) for row in Subscription.objects.values())  # nor is it stored


def test_secrets_are_all_different(desk):
    secrets = {data_of(desk.post(WEBHOOKS, {"url": URL}), 201)["secret"] for _ in range(5)}

    assert len(secrets) == 5


def test_a_webhook_without_types_gets_all(desk):
    assert data_of(desk.post(WEBHOOKS, {"url": URL}), 201)["types"] == []
    assert wanted() == 1


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({"url": None}, {"url": "null"}),
        ({"url": ""}, {"url": "blank"}),
        ({"url": 5}, {"url": "invalid"}),
        ({"url": "ftp://example.org/"}, {"url": "invalid"}),
        ({"url": "https://a:b@example.org/"}, {"url": "invalid"}),
        ({"url": f"https://example.org/{'x' * 2000}"}, {"url": "max_length"}),
        ({"url": "http://127.0.0.1/"}, {"url": "private"}),
        ({"url": "http://2130706433/"}, {"url": "private"}),
        ({"url": "http://0x7f.1/"}, {"url": "private"}),
        ({"url": "http://[::ffff:10.0.0.1]/"}, {"url": "private"}),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, {"url": "private"}),
        ({"types": ["book.eaten"]}, {"types.0": "invalid_choice"}),
        ({"types": ["test"]}, {"types.0": "invalid_choice"}),
        ({"types": "book.created"}, {"types": "not_a_list"}),
        ({"description": "x" * 201}, {"description": "max_length"}),
        ({"secret": "whsec_mine"}, {"secret": "unknown"}),
        ({"active": False}, {"active": "unknown"}),
    ],
)
def test_what_a_webhook_cannot_be(desk, sent, complaints):
    assert invalid_fields(desk.post(WEBHOOKS, {"url": URL} | sent)) == complaints
    assert not Subscription.objects.exists()


def test_a_webhook_is_changed(desk):
    webhook = WebhookFactory()
    path = f"{WEBHOOKS}{webhook.pk}/"

    data = data_of(desk.patch(path, {"url": URL, "types": ["user.created"], "description": "People"}))

    assert (data["url"], data["types"], data["description"]) == (URL, ["user.created"], "People")
    assert wanted() == 0
    assert invalid_fields(desk.patch(path, {"url": "http://10.0.0.1/"})) == {"url": "private"}
    assert data_of(desk.get(path))["url"] == URL


def test_a_webhook_is_paused_and_resumed(desk):
    path = f"{WEBHOOKS}{WebhookFactory().pk}/"

    paused = data_of(desk.patch(path, {"active": False}))
    assert (paused["active"], paused["silent_because"]) == (False, "Paused by head.")
    assert wanted() == 0
    Subscription.objects.update(failing_since=timezone.now())
    resumed = data_of(desk.patch(path, {"active": True}))

    assert (resumed["active"], resumed["silent_because"], resumed["failing_since"]) == (True, "", None)
    assert wanted() == 1


def test_a_webhook_ends_with_its_log(desk):
    webhook = WebhookFactory()
    assert wanted() == 1

    data_of(desk.delete(f"{WEBHOOKS}{webhook.pk}/"))

    assert not Subscription.objects.exists()
    assert not Delivery.objects.exists()
    error_of(desk.delete(f"{WEBHOOKS}{webhook.pk}/"), 404, "NOT_FOUND")


# --- Tried out -----------------------------------------------------------------------------------------------


def test_a_test_says_what_the_endpoint_said(desk, receiver):
    made = data_of(desk.post(WEBHOOKS, {"url": receiver.url}), 201)

    response = desk.post(f"{WEBHOOKS}{made['id']}/test/")

    data = data_of(response)
    assert message_of(response) == "It was received."
    assert (data["type"], data["state"], data["attempts"], data["event_id"]) == ("test", "delivered", 1, None)
    assert (data["status"], data["answer"], data["error"], data["next_attempt_at"]) == (200, "thank you", "", None)
    [received] = receiver.received
    message = received.verified_by(made["secret"])
    assert (message["type"], message["id"], message["service"]) == ("test", 0, "all")
    assert set(message) == set(happen()[0])
    assert received.id == data["webhook_id"] == f"test-{data['id']}"


def test_a_test_that_fails_says_why_and_is_not_repeated(desk, receiver):
    receiver.behaviour = answering(500, b"no")
    webhook = WebhookFactory(url=receiver.url, active=False, paused_reason="Paused by head.")

    response = desk.post(f"{WEBHOOKS}{webhook.pk}/test/")

    assert message_of(response) == "It answered 500."
    data = data_of(response)
    assert (data["state"], data["status"], data["answer"], data["next_attempt_at"]) == ("failed", 500, "no", None)


def test_the_log_has_the_newest_first(desk):
    webhook = WebhookFactory()
    for _ in range(3):
        wanted()

    data = data_of(desk.get(f"{WEBHOOKS}{webhook.pk}/deliveries/?limit=2&count=true"))

    ids = list(Delivery.objects.order_by("-pk").values_list("pk", flat=True))
    assert ([row["id"] for row in data["results"]], data["count"]) == (ids[:2], 3)
    following = data_of(desk.get(data["next"]))
    assert [row["id"] for row in following["results"]] == ids[2:]
    assert following["results"][0]["state"] == "waiting"
    assert "body" not in following["results"][0]


def test_a_new_secret_signs_at_once_and_the_old_one_for_another_day(desk, receiver):
    made = data_of(desk.post(WEBHOOKS, {"url": receiver.url}), 201)
    path = f"{WEBHOOKS}{made['id']}/"

    new = data_of(desk.post(f"{path}rotate-secret/"))["secret"]

    assert new != made["secret"]
    desk.post(f"{path}test/")
    for secret in (new, made["secret"]):
        assert receiver.received[0].verified_by(secret)["type"] == "test"
    Subscription.objects.update(rotated_at=timezone.now() - timedelta(hours=25))
    desk.post(f"{path}test/")
    assert receiver.received[1].verified_by(new)
    with pytest.raises(WebhookVerificationError):
        receiver.received[1].verified_by(made["secret"])


# --- Whose ---------------------------------------------------------------------------------------------------


def test_a_key_sees_and_manages_what_it_made_and_admins_everything(desk, admin):
    key, machine = machine_of(admin)
    _, other = machine_of(admin)
    own = data_of(machine.post(WEBHOOKS, {"url": URL}), 201)
    by_hand = WebhookFactory(owner=admin)

    def seen(client):
        return {row["id"] for row in data_of(client.get(WEBHOOKS))["results"]}

    assert (own["owner"], own["key_id"]) == ("head", key.pk)
    assert seen(machine) == {own["id"]}
    assert seen(other) == set()
    assert seen(desk) == seen(signed_in(UserFactory(admin=True))) == {own["id"], by_hand.pk}
    for foreign in (by_hand.pk, 47110815):
        path = f"{WEBHOOKS}{foreign}/"
        for response in (
            machine.get(path),
            machine.patch(path, {"active": False}),
            machine.delete(path),
            machine.post(f"{path}test/"),
            machine.post(f"{path}rotate-secret/"),
            machine.get(f"{path}deliveries/"),
        ):
            error_of(response, 404, "NOT_FOUND")
    data_of(machine.delete(f"{WEBHOOKS}{own['id']}/"))
    assert set(Subscription.objects.values_list("pk", flat=True)) == {by_hand.pk}


def test_librarians_and_keys_without_the_scope_may_not(admin):
    for client in (signed_in(UserFactory(staff=True)), with_key(UserFactory(staff=True), "circulation:read")):
        error_of(client.post(WEBHOOKS, {"url": URL}), 403, "PERMISSION_DENIED")
    error_of(with_key(admin, "circulation:write", "admin").get(WEBHOOKS), 403, "PERMISSION_DENIED")


# --- Whoever made it may no longer ---------------------------------------------------------------------------


def is_silent_because(desk, webhook):
    return data_of(desk.get(f"{WEBHOOKS}{webhook.pk}/"))["silent_because"]


@pytest.fixture
def keyed():
    """Made by a key of another admin."""
    key = KeyFactory(owner=UserFactory(username="machinist", admin=True), scopes=["circulation:read"])
    return WebhookFactory(owner=key.owner, key=key)


def test_nothing_is_delivered_once_the_key_is_revoked(desk, keyed):
    assert wanted() == 1
    assert list(Subscription.objects.living(timezone.now())) == [keyed]

    revoke_key(key_id=keyed.key_id)

    assert wanted() == 0
    assert not Subscription.objects.living(timezone.now()).exists()  # so that what waits is not sent either
    assert is_silent_because(desk, keyed) == "Its API key was revoked."


def test_nothing_is_delivered_once_the_key_has_expired(desk, keyed):
    APIKey.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    assert wanted() == 1

    APIKey.objects.update(expires_at=timezone.now())

    assert wanted() == 0
    assert is_silent_because(desk, keyed) == "Its API key has expired."


@pytest.mark.parametrize(
    "loss",
    [{"is_active": False}, {"is_superuser": False}, {"is_staff": False}, {"is_staff": False, "is_superuser": False}],
)
@pytest.mark.parametrize("is_keyed", [True, False])
def test_nothing_is_delivered_once_the_owner_is_no_admin_any_more(desk, keyed, loss, is_keyed):
    if not is_keyed:
        Subscription.objects.update(key=None)
    assert wanted() == 1

    User.objects.filter(pk=keyed.owner_id).update(**loss)

    assert wanted() == 0
    assert not Subscription.objects.living(timezone.now()).exists()
    assert is_silent_because(desk, keyed) == "machinist is no admin any more."


def test_it_is_told_in_the_same_words_as_it_is_decided(keyed):
    """Whoever is silent says why, and nobody else does."""
    for scopes in (["circulation:read"], ["catalogue:read"]):
        APIKey.objects.update(scopes=scopes)
        found = Subscription.objects.select_related("owner", "key").get()
        is_living = Subscription.objects.living(timezone.now()).exists()
        assert (found.silent_because(timezone.now()) == "") == is_living == (scopes == ["circulation:read"])


def test_while_a_test_is_sent_another_one_is_told_to_wait(desk, admin):
    """An endpoint that says nothing would otherwise keep all threads of a web server."""
    webhook = WebhookFactory(owner=admin)
    with services._testing:
        error_of(desk.post(f"{WEBHOOKS}{webhook.pk}/test/"), 503, "BUSY")

    assert not Delivery.objects.exists()
