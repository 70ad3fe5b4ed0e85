"""Sends what is due: one delivery of a subscription at a time, several subscriptions at once, at least once.

Whoever is at work for a subscription holds it for some seconds at a time, in its row, and has no lock and no
transaction open while it sends. A process that is killed loses its hold by saying nothing; what it was sending is sent
again then, under the same webhook-id.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import Error, close_old_connections, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from events.exceptions import DomainError
from integrations.webhooks.models import Delivery, Subscription
from integrations.webhooks.services import forget_old_deliveries, record, send

logger = logging.getLogger(__name__)

THREADS = 8  # subscriptions that are sent to at once
HOLD = timedelta(seconds=30)  # longer than an attempt takes
TURN = 20  # deliveries to a subscription before others have their turn
IDLE = 0.1  # seconds between looks for what is due
AFTER_FAILURE = 0.5  # seconds
FORGET_EVERY = 3600.0  # seconds


class Sender:
    """A process that sends, by its name."""

    def __init__(self, name: str = "") -> None:
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"

    def take_turn(self) -> int | None:
        """Hold a subscription for which something is due, the one that had to wait longest; None if there is none."""
        due = Delivery.objects.filter(subscription=OuterRef("pk"), state=Delivery.State.WAITING, due_at__lte=Now())
        free = Subscription.objects.living(timezone.now()).filter(
            Exists(due), Q(held_until=None) | Q(held_until__lt=Now())
        )
        with transaction.atomic():
            found = (
                free.order_by(F("held_until").asc(nulls_first=True), "pk")
                .select_for_update(skip_locked=True, of=("self",), no_key=True)
                .values_list("pk", flat=True)
                .first()
            )
            if found is not None:
                Subscription.objects.filter(pk=found).update(holder=self.name, held_until=Now() + HOLD)
        return found

    def serve(self, subscription_id: int, stop: threading.Event) -> int:
        """Send what is due for a subscription that is held, in order, and let go of it. Returns how many attempts."""
        made = 0
        while made < TURN and not stop.is_set() and (delivery := self._next(subscription_id)) is not None:
            at = timezone.now()
            connection.close()  # to the pool: others can use it meanwhile
            outcome = send(delivery, at=at)
            record(delivery_id=delivery.pk, outcome=outcome, at=timezone.now())
            made += 1
        held = Subscription.objects.filter(pk=subscription_id, holder=self.name)
        held.update(held_until=Now())
        return made

    def _next(self, subscription_id: int) -> Delivery | None:
        """What is due first, while the subscription is ours, which it stays for another while."""
        living = Subscription.objects.living(timezone.now()).filter(pk=subscription_id, holder=self.name)
        ours = Subscription.objects.filter(pk__in=living.values("pk"), held_until__gt=Now())
        if not ours.update(held_until=Now() + HOLD):
            return None
        due = Delivery.objects.filter(
            subscription=subscription_id, state=Delivery.State.WAITING, due_at__lte=Now()
        ).order_by("due_at", "pk")
        return due.select_related("subscription").first()


def keep_delivering(stop: threading.Event) -> None:
    """Send what is due, and forget what is old, until told to stop."""
    sender = Sender()
    free = threading.Semaphore(THREADS)
    is_failing = False
    next_forgetting = 0.0

    def serve(subscription_id: int) -> None:
        try:
            sender.serve(subscription_id, stop)
        except (Error, DomainError) as error:
            logger.warning("Webhook %s waits: %s", subscription_id, error)
        finally:
            connection.close()
            free.release()

    with ThreadPoolExecutor(THREADS, "webhooks") as threads:
        while not stop.is_set():
            if not free.acquire(timeout=IDLE):
                continue
            taken, pause = None, IDLE
            try:
                taken = sender.take_turn()
                if time.monotonic() >= next_forgetting:
                    forget_old_deliveries(at=timezone.now())
                    next_forgetting = time.monotonic() + FORGET_EVERY
                if is_failing:
                    logger.info("Webhooks go on.")
                is_failing = False
            except Error as error:
                # The database may restart under a process that is meant to run for months.
                if not is_failing:
                    logger.warning("Webhooks wait: %s", error)
                is_failing = True
                close_old_connections()
                pause = AFTER_FAILURE
            if taken is None:
                free.release()
                stop.wait(pause)
            else:
                threads.submit(serve, taken)
