"""Webhooks: made, changed, ended; what they are to be sent, and what came of it."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import APIKey, User
from events.consuming import Message
from events.exceptions import Busy
from events.models import Event
from events.operations import operation, require_transaction
from integrations.publishing.messages import MessageOut, described
from integrations.webhooks.exceptions import WebhookNotFound
from integrations.webhooks.models import Delivery, Subscription
from integrations.webhooks.sending import Outcome, post
from integrations.webhooks.signing import new_salt, secret_of, signed
from rest.serializers import Moment

TEST = "test"
_testing = threading.Lock()
# After each failure, up to a tenth longer; the last attempt comes a day after the first.
RETRIES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 21_600, 55_440))
GIVE_UP = timedelta(days=1)  # of nothing but failures
OLD_SECRET = timedelta(days=1)  # that a secret still signs after it was replaced
KEEP = timedelta(days=30)

# --- Whoever subscribes ---------------------------------------------------------------------------------------


@operation
def subscribe(
    *, owner: User, url: str, types: Iterable[str] = (), description: str = "", key: APIKey | None = None
) -> tuple[Subscription, str]:
    """A new subscription, and its secret, which is never shown again."""
    made = Subscription.objects.create(owner=owner, key=key, url=url, types=sorted(set(types)), description=description)
    return made, secret_of(made.salt)


@operation
def change(*, webhook_id: int, fields: dict[str, Any], by: str, within: QuerySet[Subscription]) -> Subscription:
    """Set these fields; `active` pauses and resumes. Raises WebhookNotFound for none of those `within`."""
    found = _locked(webhook_id, within)
    if "active" in fields and fields["active"] != found.active:
        if fields["active"]:
            _resume(found)
        else:
            _pause(found, f"Paused by {by}.")
    if "types" in fields:
        found.types = sorted(set(fields["types"]))
    for name in fields.keys() & {"url", "description"}:
        setattr(found, name, fields[name])
    found.save(update_fields=["url", "types", "description", "active", "paused_reason", "failing_since"])
    return found


@operation
def rotate_secret(*, webhook_id: int, within: QuerySet[Subscription], at: datetime) -> tuple[Subscription, str]:
    """Another secret, shown once. For a day messages are signed with both. Raises WebhookNotFound."""
    found = _locked(webhook_id, within)
    found.old_salt, found.salt, found.rotated_at = found.salt, new_salt(), at
    found.save(update_fields=["old_salt", "salt", "rotated_at"])
    return found, secret_of(found.salt)


@operation
def unsubscribe(*, webhook_id: int, within: QuerySet[Subscription]) -> Subscription:
    """End a subscription, with its deliveries. Raises WebhookNotFound."""
    found = _locked(webhook_id, within)
    number = found.pk
    found.delete()
    found.pk = number
    return found


@operation
def resume(*, webhook_ids: Iterable[int]) -> None:
    """Let these deliver again, beginning with what waited meanwhile."""
    for found in Subscription.objects.filter(pk__in=webhook_ids, active=False).select_for_update(no_key=True):
        _resume(found)
        found.save(update_fields=["active", "paused_reason", "failing_since"])


def _locked(webhook_id: int, within: QuerySet[Subscription]) -> Subscription:
    own = within.filter(pk=webhook_id).select_related("owner", "key")
    found = own.select_for_update(of=("self",), no_key=True).first()
    if found is None:
        raise WebhookNotFound(webhook_id)
    return found


def _resume(subscription: Subscription) -> None:
    subscription.active, subscription.paused_reason, subscription.failing_since = True, "", None


def _pause(subscription: Subscription, reason: str) -> None:
    subscription.active, subscription.paused_reason = False, reason[:300]


# --- What is sent ---------------------------------------------------------------------------------------------


def queue(messages: Sequence[Message]) -> None:
    """Keep these messages for whoever wants them. Once: what is there already stays, and what failed is due again."""
    require_transaction()
    now = timezone.now()
    living = Subscription.objects.living(now)
    wanted = {kind: list(living.wanting(kind)) for kind in sorted({message["type"] for message in messages})}
    Delivery.objects.bulk_create(
        [
            Delivery(subscription=subscription, event_id=message["id"], type=message["type"], body=json.dumps(message))
            for message in messages
            for subscription in wanted[message["type"]]
        ],
        ignore_conflicts=True,
    )
    _due_again(
        Delivery.objects.filter(
            subscription__in=living, event_id__in=[message["id"] for message in messages], state=Delivery.State.FAILED
        ),
        now,
    )


@operation
def send_again(*, delivery_ids: Iterable[int], at: datetime) -> int:
    """Have these sent once more, under the same webhook-id; of what was received the body is made anew. How many.

    Not what still waits, nor tests.
    """
    chosen = Delivery.objects.filter(pk__in=delivery_ids).exclude(state=Delivery.State.WAITING).exclude(event_id=None)
    emptied = list(chosen.filter(body="").order_by("pk").select_for_update(no_key=True))
    events = Event.objects.filter(pk__in=[delivery.event_id for delivery in emptied if delivery.event_id is not None])
    bodies = {message["id"]: json.dumps(message) for message in described(list(events))}
    for delivery in emptied:
        delivery.body = bodies[delivery.event_id]
    Delivery.objects.bulk_update(emptied, ["body"])
    return _due_again(chosen, at)


def _due_again(deliveries: QuerySet[Delivery], at: datetime) -> int:
    return deliveries.update(state=Delivery.State.WAITING, due_at=at, attempts=0)


def send_test(subscription: Subscription) -> Delivery:
    """A message of the type `test`, sent now and once, to a paused subscription too. Returns what came of it.

    Raises Busy while another test is being sent: an endpoint that says nothing would keep all threads of the process.
    """
    if not _testing.acquire(blocking=False):
        raise Busy("Another test is being sent. Please try again in a moment.")
    try:
        return _send_test(subscription)
    finally:
        _testing.release()


def _send_test(subscription: Subscription) -> Delivery:
    now = timezone.now()
    nothing = dict.fromkeys(MessageOut().fields)
    said = {"id": 0, "type": TEST, "service": settings.SERVICE, "occurred_at": Moment().to_representation(now)}
    delivery = Delivery.objects.create(
        subscription=subscription,
        type=TEST,
        body=json.dumps(nothing | said | {"changed": []}),
        state=Delivery.State.FAILED,  # until it was received
        due_at=None,
    )
    outcome = send(delivery, at=now)
    _note(delivery, outcome, at=now)
    if outcome.is_received:
        delivery.state, delivery.body = Delivery.State.DELIVERED, ""
    delivery.save()
    return delivery


def send(delivery: Delivery, *, at: datetime) -> Outcome:
    """One attempt. Takes up to ten seconds, and must hold no lock meanwhile."""
    subscription = delivery.subscription
    salts = [subscription.salt]
    if subscription.rotated_at is not None and at < subscription.rotated_at + OLD_SECRET:
        salts.append(subscription.old_salt)
    headers = {"Content-Type": "application/json", "User-Agent": "Circdesk"}
    headers |= signed(delivery.webhook_id, delivery.body, salts, at=at)
    return post(subscription.url, delivery.body.encode(), headers)


@operation
def record(*, delivery_id: int, outcome: Outcome, at: datetime) -> None:
    """What came of an attempt: received, to be tried again, or given up; and whether its subscription is paused.

    What somebody else recorded as received stays so.
    """
    own = Subscription.objects.filter(deliveries=delivery_id)
    subscription = own.select_for_update(of=("self",), no_key=True).first()
    delivery = Delivery.objects.filter(pk=delivery_id).select_for_update(no_key=True).first()
    if delivery is None or subscription is None or delivery.state == Delivery.State.DELIVERED:
        return
    _note(delivery, outcome, at=at)
    if outcome.is_received:
        delivery.state, delivery.due_at, delivery.body = Delivery.State.DELIVERED, None, ""
        subscription.failing_since = None
    else:
        _put_off(delivery, at, is_gone=outcome.is_gone)
        subscription.failing_since = subscription.failing_since or at
        if subscription.active and outcome.is_gone:
            _pause(subscription, "The endpoint answered 410 Gone.")
        elif subscription.active and at - subscription.failing_since >= GIVE_UP:
            since = f"{subscription.failing_since:%Y-%m-%d %H:%M} UTC"
            _pause(subscription, f"Nothing was received since {since}. {outcome.error}")
    delivery.save()
    subscription.save(update_fields=["active", "paused_reason", "failing_since"])


def _note(delivery: Delivery, outcome: Outcome, *, at: datetime) -> None:
    delivery.attempts += 1
    delivery.last_attempt_at = at
    delivery.status, delivery.answer = outcome.status, outcome.answer
    delivery.error, delivery.duration = outcome.error, outcome.milliseconds


def _put_off(delivery: Delivery, at: datetime, *, is_gone: bool) -> None:
    if is_gone or delivery.attempts > len(RETRIES):
        delivery.state, delivery.due_at = Delivery.State.FAILED, None
    else:
        delivery.due_at = at + RETRIES[delivery.attempts - 1] * random.uniform(1.0, 1.1)  # nosec B311  # chance, not secrecy


def forget_old_deliveries(*, at: datetime) -> int:
    """Drop what is older than thirty days, whatever became of it. Returns how many."""
    dropped, _ = Delivery.objects.filter(created_at__lt=at - KEEP).delete()
    return dropped
