"""From a message to the endpoint: once where all goes well, again where it does not, and never two at a time."""

import json
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from accounts.keys import revoke_key
from events import consuming, relay
from events.consuming import Worker
from events.models import Consumer
from events.stream import EVENTS
from integrations.webhooks import delivery, sending, services
from integrations.webhooks.delivery import Turn, keep_delivering
from integrations.webhooks.models import Delivery, Subscription
from integrations.webhooks.signing import secret_of
from library.services import add_title, enrol
from tests.factories import NOW, KeyFactory, UserFactory, WebhookFactory
from tests.webhooks import receiving
from tests.webhooks.conftest import happen, ids_of, queue
from tests.webhooks.receiving import Receiver, answering

pytestmark = pytest.mark.django_db(transaction=True)

FOR_EVER = threading.Event()


def serve():
    """Send to the one that had to wait longest; returns how many attempts were made."""
    turn = Turn.take()
    return 0 if turn is None else turn.use(FOR_EVER)


def due_now():
    Delivery.objects.filter(state="waiting").update(due_at=timezone.now())


class Delivering:
    """`keep_delivering` on a thread, while it is a context."""

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def _run(self):
        try:
            keep_delivering(self.stop)
        finally:
            connection.close()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def delivered():
    return Delivery.objects.filter(state="delivered").count()


# --- All goes well -------------------------------------------------------------------------------------------


def test_a_message_arrives_as_it_was_published_signed_for_whoever_has_the_secret(receiver):
    _, secret = services.subscribe(owner=UserFactory(admin=True), url=receiver.url)
    [message] = happen()
    queue([message])

    serve()

    [received] = receiver.received
    assert received.verified_by(secret) == message
    assert received.id == f"all-{message['id']}"
    assert received.headers["Content-Type"] == "application/json"
    assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 60
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(received.body.replace(b"Title 0", b"Title 9"), received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(received.body, received.headers | {"webhook-id": "all-0"})
    with pytest.raises(WebhookVerificationError):
        received.verified_by(secret_of("another"))


def test_what_was_received_is_logged_and_its_body_is_not_kept(receiver):
    WebhookFactory(url=receiver.url)
    [message] = happen()
    queue([message])

    serve()

    done = Delivery.objects.get()
    assert (done.state, done.attempts, done.status, done.answer, done.error) == ("delivered", 1, 200, "thank you", "")
    assert (done.event_id, done.type, done.body, done.due_at) == (message["id"], "book.created", "", None)
    assert done.duration is not None
    assert timezone.now() - done.last_attempt_at < timedelta(minutes=1)
    assert serve() == 0
    assert len(receiver.received) == 1


def test_messages_of_a_subscription_come_in_order_and_one_at_a_time(receiver):
    receiver.delay = 0.01
    WebhookFactory(url=receiver.url)
    messages = happen(50)
    queue(messages)

    with Delivering():
        receiver.wait_for(lambda: delivered() == 50)

    assert receiver.ids == ids_of(messages)
    assert receiver.most_at_once == 1


@pytest.mark.usefixtures("_loopback")
def test_two_senders_share_the_work_and_send_nothing_twice():
    with Receiver(delay=0.005) as one, Receiver(delay=0.005) as two, Receiver(delay=0.005) as three:
        receivers = [one, two, three]
        for receiver in receivers:
            WebhookFactory(url=receiver.url)
        messages = happen(60)
        queue(messages)

        with Delivering(), Delivering():
            one.wait_for(lambda: delivered() == 180)

        for receiver in receivers:
            assert receiver.ids == ids_of(messages)
            assert receiver.most_at_once == 1


def test_a_slow_endpoint_delays_nobody_else(receiver):
    with Receiver(receiving.stalling) as slow:
        WebhookFactory(url=slow.url)
        WebhookFactory(url=receiver.url)
        queue(happen(30))
        began = time.monotonic()

        with Delivering() as delivering:
            receiver.wait_for(lambda: delivered() == 30)
            took = time.monotonic() - began
            delivering.stop.set()
            slow.ended.set()

        assert took < sending.TOTAL
        assert slow.connections == 1


def test_nothing_is_locked_and_no_transaction_is_open_while_it_is_sent(receiver):
    def look(receiver, client):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            seen.append(cursor.fetchone()[0])
            cursor.execute(
                "BEGIN; SET LOCAL lock_timeout = '1s'; "
                "UPDATE webhooks_subscription SET description = 'changed meanwhile'; COMMIT"
            )
        connection.close()
        answering(200)(receiver, client)

    seen = []
    receiver.behaviour = look
    WebhookFactory(url=receiver.url)
    queue(happen())

    serve()

    assert seen == [0]
    assert Subscription.objects.get().description == "changed meanwhile"
    assert delivered() == 1


# --- Whoever wants what --------------------------------------------------------------------------------------


def test_a_subscription_gets_the_types_that_it_asked_for(receiver):
    everything = WebhookFactory()
    titles = WebhookFactory(types=["book.created", "book.updated"])
    people = WebhookFactory(types=["user.created"])
    add_title(title="Emma", copies=0, at=NOW)
    member = enrol(first_name="Ada", at=NOW)
    messages = services.described(services.Event.objects.order_by("pk"))

    queue(messages)

    kinds = {
        webhook: [row.type for row in webhook.deliveries.order_by("pk")] for webhook in (everything, titles, people)
    }
    assert kinds == {
        everything: ["book.created", "user.created"],
        titles: ["book.created"],
        people: ["user.created"],
    }
    assert json.loads(people.deliveries.get().body)["member_id"] == member.pk


def test_a_message_that_comes_twice_is_sent_once(receiver):
    WebhookFactory(url=receiver.url)
    messages = happen(3)

    queue(messages)
    queue(messages)
    assert serve() == 3
    queue(messages)

    assert serve() == 0
    assert receiver.ids == ids_of(messages)


def test_what_failed_is_due_again_when_it_is_published_again(receiver):
    WebhookFactory(url=receiver.url)
    messages = happen(2)
    queue(messages)
    serve()
    Delivery.objects.filter(event_id=messages[0]["id"]).update(state="failed", body=json.dumps(messages[0]))

    queue(messages)

    assert serve() == 1
    assert receiver.ids == [*ids_of(messages), ids_of(messages)[0]]


def test_what_happens_at_the_desk_arrives(receiver, monkeypatch):
    """Through the relay, the stream and the consumer."""
    monkeypatch.setattr(consuming, "BLOCK", 0.01)
    EVENTS.remove()
    [group] = [group for group in consuming.groups if group.name == "webhooks"]
    worker = Worker(group)
    relay.look_after_streams()
    worker.step()
    WebhookFactory(url=receiver.url)
    book = add_title(title="Middlemarch", copies=1, at=NOW)
    while relay.relay_pending():
        pass
    give_up = time.monotonic() + 10
    while Delivery.objects.count() < 2 and time.monotonic() < give_up:
        worker.step()
    EVENTS.remove()

    assert serve() == 2
    assert Consumer.objects.get(group="webhooks").position == 2
    assert [json.loads(received.body)["type"] for received in receiver.received] == ["book.created", "copy.added"]
    assert json.loads(receiver.received[0].body)["book"]["id"] == book.pk


# --- It does not go well -------------------------------------------------------------------------------------


def test_what_was_not_received_is_tried_again_later_and_later_under_the_same_id(receiver):
    receiver.behaviour = answering(500, b"out of order")
    webhook = WebhookFactory(url=receiver.url)
    [message] = happen()
    queue([message])
    waits = []
    while (row := Delivery.objects.get()).state == "waiting":
        due_now()
        assert serve() == 1
        row.refresh_from_db()
        if row.due_at:
            waits.append((row.due_at - row.last_attempt_at).total_seconds())
            assert serve() == 0  # not before its time

    assert set(receiver.ids) == {f"all-{message['id']}"}
    assert len(receiver.received) == 8
    planned = [10, 60, 300, 1800, 7200, 21_600, 55_440]
    assert all(plan <= wait <= plan * 1.1 + 1 for plan, wait in zip(planned, waits, strict=True))
    assert timedelta(hours=24) <= timedelta(seconds=sum(planned)) < timedelta(hours=25)
    assert len({round(wait / plan, 6) for plan, wait in zip(planned, waits, strict=True)}) > 1  # by chance
    assert (row.attempts, row.status, row.answer, row.error) == (8, 500, "out of order", "It answered 500.")
    assert json.loads(row.body) == message
    webhook.refresh_from_db()
    assert webhook.active  # it did not fail for a day, for this test


def test_a_failure_does_not_hold_up_those_after_it(receiver):
    """One message that an endpoint cannot take, among others."""
    WebhookFactory(url=receiver.url)
    messages = happen(3)
    queue(messages)

    def refusing_the_first(receiver, client):
        is_first = receiver.ids[-1] == ids_of(messages)[0]
        answering(500 if is_first else 200)(receiver, client)

    receiver.behaviour = refusing_the_first
    serve()

    assert delivered() == 2
    assert Subscription.objects.get().failing_since is None


def test_after_a_day_of_nothing_but_failures_it_is_paused_and_says_why(receiver):
    receiver.behaviour = answering(503)
    webhook = WebhookFactory(url=receiver.url)
    queue(happen(3))
    serve()
    webhook.refresh_from_db()
    assert webhook.active
    assert webhook.failing_since is not None

    since = timezone.now() - timedelta(hours=23, minutes=59)
    Subscription.objects.update(failing_since=since)
    due_now()
    serve()
    assert Subscription.objects.get().active
    since = timezone.now() - timedelta(hours=24)
    Subscription.objects.update(failing_since=since)
    due_now()

    assert serve() == 1  # and then it is paused
    webhook.refresh_from_db()
    assert not webhook.active
    assert webhook.paused_reason == f"Nothing was received since {since:%Y-%m-%d %H:%M} UTC. It answered 503."
    due_now()
    assert serve() == 0


def test_a_success_in_between_begins_the_day_anew(receiver):
    WebhookFactory(url=receiver.url)
    Subscription.objects.update(failing_since=timezone.now() - timedelta(hours=30))
    queue(happen(2))
    serve()

    assert Subscription.objects.get().failing_since is None
    assert Subscription.objects.get().active


def test_gone_pauses_at_once(receiver):
    receiver.behaviour = answering(410)
    webhook = WebhookFactory(url=receiver.url)
    queue(happen(3))

    assert serve() == 1

    webhook.refresh_from_db()
    assert (webhook.active, webhook.paused_reason) == (False, "The endpoint answered 410 Gone.")
    assert list(Delivery.objects.order_by("pk").values_list("state", flat=True)) == ["failed", "waiting", "waiting"]


def test_what_waited_is_sent_once_it_is_resumed(receiver):
    webhook = WebhookFactory(url=receiver.url, active=False, paused_reason="Paused by admin.")
    queue(happen(1))
    assert Delivery.objects.count() == 0  # for a paused one nothing is kept
    Subscription.objects.update(active=True)
    messages = happen(2)
    queue(messages)
    Subscription.objects.update(active=False, failing_since=timezone.now())
    assert serve() == 0

    services.resume(webhook_ids=[webhook.pk])

    assert serve() == 2
    assert receiver.ids == ids_of(messages)
    webhook.refresh_from_db()
    assert (webhook.active, webhook.paused_reason, webhook.failing_since) == (True, "", None)


def test_what_waits_when_the_key_is_revoked_is_not_sent(receiver):
    key = KeyFactory(owner=UserFactory(admin=True), scopes=["circulation:read"])
    WebhookFactory(url=receiver.url, owner=key.owner, key=key)
    queue(happen(3))
    turn = Turn.take()

    def revoke(receiver, client):
        revoke_key(key_id=key.pk)
        connection.close()
        answering(200)(receiver, client)

    receiver.behaviour = revoke

    assert turn.use(FOR_EVER) == 1  # what was under way
    assert serve() == 0
    assert len(receiver.received) == 1


def test_what_failed_and_what_was_received_can_be_sent_again(receiver):
    WebhookFactory(url=receiver.url)
    messages = happen(3)
    queue(messages)
    serve()
    first, second, third = Delivery.objects.order_by("pk")
    Delivery.objects.filter(pk=first.pk).update(state="failed", body=json.dumps(messages[0]), attempts=8)
    Delivery.objects.filter(pk=third.pk).update(state="waiting", due_at=timezone.now() + timedelta(hours=1))

    assert services.send_again(delivery_ids=[first.pk, second.pk, third.pk], at=timezone.now()) == 2

    assert serve() == 2
    assert receiver.ids[3:] == ids_of(messages)[:2]
    assert [json.loads(received.body) for received in receiver.received[3:]] == messages[:2]
    assert Delivery.objects.get(pk=first.pk).attempts == 1


def test_old_deliveries_go():
    webhook = WebhookFactory()
    for days in (31, 29):
        Delivery.objects.create(
            subscription=webhook, event_id=days, type="x", body="", created_at=timezone.now() - timedelta(days=days)
        )

    assert services.forget_old_deliveries(at=timezone.now()) == 1
    assert Delivery.objects.get().event_id == 29


# --- Two at once, and the end of one -------------------------------------------------------------------------


def test_a_subscription_is_held_by_one_until_it_says_nothing_any_more(receiver):
    WebhookFactory(url=receiver.url)
    queue(happen(2))
    killed = Turn.take()

    assert Turn.take() is None
    Subscription.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    other = Turn.take()
    assert other.subscription_id == killed.subscription_id
    assert killed.use(FOR_EVER) == 0  # the turn is another one's
    assert other.use(FOR_EVER) == 2
    assert Turn.take() is None


def test_a_turn_that_was_held_for_too_long_is_over_though_nobody_took_it(receiver):
    WebhookFactory(url=receiver.url)
    queue(happen())
    turn = Turn.take()

    Subscription.objects.update(held_until=timezone.now() - timedelta(seconds=1))

    assert turn.use(FOR_EVER) == 0


def test_the_hold_is_longer_than_an_attempt_takes():
    assert delivery.HOLD.total_seconds() > 2 * sending.TOTAL


def test_after_a_turn_whoever_waited_longest_is_served_first(receiver, monkeypatch):
    monkeypatch.setattr(delivery, "TURN", 0.0)
    first, second = WebhookFactory(url=receiver.url), WebhookFactory(url=receiver.url)
    queue(happen(3))
    served = []
    while turn := Turn.take():
        served.append(turn.subscription_id)
        assert turn.use(FOR_EVER) == 1

    assert served == [first.pk, second.pk] * 3


@pytest.mark.parametrize(("behaviour", "is_left_alone"), [(receiving.stalling, True), (answering(500), False)])
def test_an_endpoint_that_keeps_senders_waiting_is_left_alone_for_a_while(
    receiver, monkeypatch, behaviour, is_left_alone
):
    monkeypatch.setattr(sending, "TOTAL", 0.2)
    monkeypatch.setattr(delivery, "SLOW", 200)
    receiver.behaviour = behaviour
    WebhookFactory(url=receiver.url)
    queue(happen(3))

    assert serve() == (1 if is_left_alone else 3)
    due_now()
    assert (Turn.take() is None) == is_left_alone
    Subscription.objects.update(held_until=F("held_until") - delivery.REST)
    assert Turn.take() is not None


def test_endpoints_that_stall_delay_nobody_else_however_many(receiver, monkeypatch):
    monkeypatch.setattr(delivery, "THREADS", 2)
    monkeypatch.setattr(sending, "TOTAL", 0.5)
    monkeypatch.setattr(delivery, "SLOW", 500)
    with Receiver(receiving.stalling) as slow:
        for _ in range(4):
            WebhookFactory(url=slow.url)
        WebhookFactory(url=receiver.url)
        queue(happen(10))

        with Delivering():
            receiver.wait_for(lambda: delivered() == 10)

        assert slow.connections < 40  # else each of its deliveries was tried first


def test_what_was_recorded_as_received_stays_so(receiver):
    """A sender that was slow comes with a failure, after another one succeeded."""
    WebhookFactory(url=receiver.url)
    queue(happen())
    serve()
    late = services.Outcome(status=500, answer="", error="It answered 500.", milliseconds=1)

    services.record(delivery_id=Delivery.objects.get().pk, outcome=late, at=timezone.now())

    assert Delivery.objects.get().state == "delivered"
    assert Subscription.objects.get().failing_since is None


def test_what_ends_while_it_is_sent_to_is_no_trouble(receiver):
    def end(receiver, client):
        Subscription.objects.all().delete()
        connection.close()
        answering(200)(receiver, client)

    receiver.behaviour = end
    WebhookFactory(url=receiver.url)
    queue(happen(2))

    assert serve() == 1
    assert not Delivery.objects.exists()
