"""Who is told of events over HTTP, and what each of them was sent."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import APIKey, Role, Scope, User
from events.models import Event
from events.recorded import Recorded
from integrations.webhooks.signing import new_salt

SCOPE = Scope.CIRCULATION_READ  # that the key of a subscription must be good for


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def living(self, at: datetime) -> SubscriptionQuerySet:
        """Those that deliver: not paused, and whoever made them may still read what they are sent."""
        in_force = Q(key=None) | Q(key__revoked_at=None, key__scopes__contains=[SCOPE]) & (
            Q(key__expires_at=None) | Q(key__expires_at__gt=at)
        )
        admins = {"owner__is_active": True, "owner__is_staff": True, "owner__is_superuser": True}
        return self.filter(in_force, active=True, **admins)

    def wanting(self, kind: str) -> SubscriptionQuerySet:
        """Those that want messages of this type."""
        return self.filter(Q(types=[]) | Q(types__contains=[kind]))


class Subscription(Recorded):
    """An address that is sent messages. One sender at a time is at work for it, `holder` until `held_until`."""

    SAVED, DELETED = Event.Kind.WEBHOOK_SAVED, Event.Kind.WEBHOOK_DELETED
    SECRETS = ("salt",)
    UNTOLD = ("failing_since", "old_salt", "rotated_at", "holder", "held_until")

    url = models.CharField("URL", max_length=2000)
    types = ArrayField(models.CharField(max_length=40), default=list, blank=True, help_text="Empty: all.")
    description = models.CharField(max_length=200, blank=True)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="webhooks", help_text="Who made it.")
    key = models.ForeignKey(
        APIKey,
        on_delete=models.CASCADE,
        null=True,
        related_name="webhooks",
        help_text="Through which key. Empty: signed in.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    active = models.BooleanField(default=True)
    paused_reason = models.CharField(max_length=300, blank=True)
    failing_since = models.DateTimeField(null=True, editable=False, help_text="Empty: the last delivery succeeded.")
    salt = models.CharField(max_length=43, default=new_salt, editable=False)
    old_salt = models.CharField(max_length=43, blank=True, editable=False)
    rotated_at = models.DateTimeField(null=True, editable=False)
    holder = models.CharField(max_length=100, blank=True, editable=False)
    held_until = models.DateTimeField(null=True, editable=False)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url

    def silent_because(self, at: datetime) -> str:
        """Why nothing is delivered, as `SubscriptionQuerySet.living` decides it; nothing while it is."""
        if not self.active:
            return self.paused_reason
        if not self.owner.is_active or self.owner.role < Role.ADMIN:
            return gettext("%(name)s is no admin any more.") % {"name": self.owner.get_username()}
        if self.key is None:
            return ""
        if self.key.revoked_at is not None:
            return gettext("Its API key was revoked.")
        if self.key.expires_at is not None and self.key.expires_at <= at:
            return gettext("Its API key has expired.")
        if SCOPE in self.key.scopes:
            return ""
        return gettext("Its API key lacks the scope %(scope)s.") % {"scope": SCOPE}


class Delivery(models.Model):
    """A message for a subscription, and how far it got. While it waits, the next attempt is at `due_at`."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event_id = models.BigIntegerField(null=True, help_text="Empty: a test.")
    type = models.CharField(max_length=40)
    body = models.TextField(help_text="What is sent. Emptied once it was received.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, default=timezone.now)
    last_attempt_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the last answer. Empty: there was none.")
    answer = models.CharField(max_length=500, blank=True, help_text="How the last answer began.")
    error = models.CharField(max_length=300, blank=True, help_text="Why the last attempt failed.")
    duration = models.PositiveIntegerField(null=True, help_text="Of the last attempt, in milliseconds.")

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["subscription", "event_id"], name="one_delivery_per_event"),
            models.CheckConstraint(
                name="due_exactly_while_waiting",
                condition=Q(state="waiting", due_at__isnull=False) | (~Q(state="waiting") & Q(due_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["subscription", "due_at"], name="delivery_due", condition=Q(state="waiting")),
            models.Index(fields=["subscription", "id"], name="delivery_of_subscription"),
            models.Index(fields=["created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.webhook_id} ({self.type})"

    @property
    def webhook_id(self) -> str:
        """The same at every attempt, and with a service's name, for two services number their events apart."""
        return f"test-{self.pk}" if self.event_id is None else f"{settings.SERVICE}-{self.event_id}"
