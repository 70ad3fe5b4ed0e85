"""Sends what is due: one delivery of a subscription at a time, several subscriptions at once, at least once.

Whoever is at work for a subscription holds it for some seconds at a time, in its row, and has no lock and no
transaction open while it sends. A process that is killed loses its hold by saying nothing; what it was sending is sent
again then, under the same webhook-id.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error, close_old_connections, connection, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from events.alive import still_alive
from events.exceptions import DomainError
from events.heartbeats import beat
from integrations.webhooks.models import Delivery, Subscription
from integrations.webhooks.services import record, send

logger = logging.getLogger(__name__)

THREADS = 16  # subscriptions that are sent to at once
HOLD = timedelta(seconds=30)  # longer than an attempt takes
TURN = 2.0  # seconds after which others have their turn
SLOW = 1000  # milliseconds of a failed attempt, after which an endpoint is left alone for a while:
REST = timedelta(seconds=30)  # many dead ones would otherwise keep all threads busy
IDLE = 0.1  # seconds between looks for what is due
AFTER_FAILURE = 0.5  # seconds


@dataclass(frozen=True)
class Turn:
    """The right to send to a subscription, for some seconds at a time."""

    subscription_id: int
    holder: str

    @classmethod
    def take(cls) -> Turn | None:
        """That of the subscription that had to wait longest; None when nothing is due that nobody else sends."""
        turn_of = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"
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
            if found is None:
                return None
            Subscription.objects.filter(pk=found).update(holder=turn_of, held_until=Now() + HOLD)
        return cls(found, turn_of)

    def use(self, stop: threading.Event) -> int:
        """Send what is due, in order, and let others have their turn. Returns how many attempts were made."""
        made = 0
        rest = timedelta(0)
        ends = time.monotonic() + TURN
        while not (stop.is_set() or rest) and (delivery := self._next()) is not None:
            at = timezone.now()
            connection.close()  # to the pool: others can use it meanwhile
            outcome = send(delivery, at=at)
            record(delivery_id=delivery.pk, outcome=outcome, at=timezone.now())
            made += 1
            if not outcome.is_received and outcome.milliseconds >= SLOW:
                rest = REST
            if time.monotonic() >= ends:
                break
        held = Subscription.objects.filter(pk=self.subscription_id, holder=self.holder)
        held.update(held_until=Now() + rest)
        return made

    def _next(self) -> Delivery | None:
        """What is due first, while the turn is ours, which it stays for another while."""
        living = Subscription.objects.living(timezone.now()).filter(pk=self.subscription_id, holder=self.holder)
        ours = Subscription.objects.filter(pk__in=living.values("pk"), held_until__gt=Now())
        if not ours.update(held_until=Now() + HOLD):
            return None
        due = Delivery.objects.filter(
            subscription=self.subscription_id, state=Delivery.State.WAITING, due_at__lte=Now()
        ).order_by("due_at", "pk")
        return due.select_related("subscription").first()


def keep_delivering(stop: threading.Event) -> None:
    """Send what is due, until told to stop."""
    free = threading.Semaphore(THREADS)
    is_failing = False

    def use(turn: Turn) -> None:
        try:
            turn.use(stop)
        except (Error, DomainError) as error:
            logger.warning("Webhook %s waits: %s", turn.subscription_id, error)
        except Exception:  # a defect, which nobody else would hear of on this thread
            logger.exception("Webhook %s waits.", turn.subscription_id)
        finally:
            connection.close()
            free.release()

    with ThreadPoolExecutor(THREADS, "webhooks") as threads:
        while not stop.is_set():
            still_alive()
            if not free.acquire(timeout=IDLE):
                continue
            taken, pause = None, IDLE
            try:
                beat("webhooks")
                taken = Turn.take()
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
                threads.submit(use, taken)
