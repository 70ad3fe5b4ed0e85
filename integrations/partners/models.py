"""Other libraries that are asked what they have, and what was reserved there."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import ClassVar
from uuid import uuid4

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from events.models import Event
from integrations.addresses import Network, is_allowed, written_out
from integrations.reaching import split
from library.exceptions import InvalidTransition
from library.models import Book, Branch, Member
from library.recorded import Recorded

# What an admin allows with `allows_private`: networks of a library's own, and this machine. Never link-local addresses,
# where providers' machines tell their secrets, nor what is no place at all.
PRIVATE: list[Network] = [
    ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")
]


class PartnerQuerySet(models.QuerySet["Partner"]):
    def on(self) -> PartnerQuerySet:
        """Those that are asked, in the order in which an admin wants them."""
        return self.filter(is_on=True).order_by("position", "name")


class Partner(Recorded):
    """Another library. `api_key` is what we show it; nobody but the request to it ever sees it."""

    class Protocol(models.TextChoices):
        CIRCDESK = "circdesk", "Circdesk"
        DAIA = "daia", "DAIA 1.0"

    name = models.CharField(max_length=120)
    position = models.PositiveSmallIntegerField(default=0, help_text="Partners with lower numbers come first.")
    base_url = models.CharField(
        "base URL",
        max_length=500,
        help_text="Such as https://library.example.org. Of a DAIA server the whole address up to the question mark; "
        "without a path it is asked at /daia.",
    )
    protocol = models.CharField(max_length=10, choices=Protocol.choices, default=Protocol.CIRCDESK)
    api_key = models.CharField(
        "API key",
        max_length=200,
        blank=True,
        editable=False,
        validators=[RegexValidator(r"\A[!-~]*\Z", "An API key has neither spaces nor letters beyond ASCII.")],
    )
    daia_id = models.CharField(
        "DAIA identifier",
        max_length=200,
        default="{isbn}",
        help_text="What a DAIA server is asked for, with {isbn} in it: perhaps urn:isbn:{isbn}.",
    )
    card_prefix = models.CharField(
        max_length=40,
        default="main",
        validators=[RegexValidator(r"\A[A-Za-z0-9._-]+\Z", "Write letters, digits, dots, hyphens and underscores.")],
        help_text="How our readers' card numbers begin there: with “main”, our member 17 has main-17. No other library "
        "may use the same.",
    )
    timeout = models.FloatField(
        "time limit",
        default=1.5,
        validators=[MinValueValidator(0.1), MaxValueValidator(2.0)],
        help_text="Seconds that it may take to answer, from 0.1 to 2.",
    )
    is_on = models.BooleanField("on", default=True, help_text="Whether it is asked.")
    allows_private = models.BooleanField(
        "private addresses",
        default=False,
        help_text="Allow it to be in a private network, or on this machine. Otherwise it is on the public internet.",
    )

    is_referred_to = False  # not by the other one of two services
    SECRETS = ("api_key",)
    SAVED, DELETED = Event.Kind.PARTNER_SAVED, Event.Kind.PARTNER_DELETED

    objects: ClassVar = PartnerQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                name="one_partner_per_name",
                violation_error_message="There is one with this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def networks(self) -> list[Network]:
        """Where it may be beside the public internet."""
        return PRIVATE if self.allows_private else []

    def clean(self) -> None:
        problems: dict[str, str] = {}
        if Branch.objects.filter(name__iexact=self.name).exists():
            problems["name"] = "A branch of ours has this name."
        try:
            self._check_url()
        except ValueError as error:
            problems["base_url"] = str(error)
        if self.protocol == self.Protocol.DAIA and "{isbn}" not in self.daia_id:
            problems["daia_id"] = "Write {isbn} where the ISBN belongs."
        if problems:
            raise ValidationError(problems)

    def _check_url(self) -> None:
        """Raises ValueError, which says what is wrong with it. Where a name leads is asked at each connection."""
        parts = split(self.base_url)
        if "?" in self.base_url:
            raise ValueError("Leave out the question mark and what follows it.")
        address = written_out(parts.hostname or "")
        if address and not is_allowed(address, self.networks):
            raise ValueError(f"{parts.hostname} is not on the public internet.")
        if self.api_key and parts.scheme == "http" and not self.allows_private:
            raise ValueError("The API key must not travel in the clear: the URL begins with https://.")


def partner_named(name: str) -> Partner | None:
    """The partner of this name that is on, in whatever case it is written."""
    return Partner.objects.on().filter(name__iexact=name).first()


def has_name(name: str) -> str:
    """Why no branch may have this name, if a partner has it."""
    return "A partner library has this name." if Partner.objects.filter(name__iexact=name).exists() else ""


class Reader(models.Model):
    """Who a member of ours is at a partner: a number there, and nothing of the person."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="readers", db_index=False)
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    remote_id = models.BigIntegerField(help_text="The member's number there.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "member"], name="one_reader_per_member")]

    def __str__(self) -> str:
        return f"{self.partner}: {self.remote_id}"


class PartnerReservationQuerySet(models.QuerySet["PartnerReservation"]):
    def live(self) -> PartnerReservationQuerySet:
        return self.filter(state__in=PartnerReservation.LIVE)

    def due(self, at: datetime) -> PartnerReservationQuerySet:
        """Those about which their partner is to be asked by now, longest due first."""
        return self.live().filter(next_try_at__lte=at).order_by("next_try_at", "id")


class PartnerReservation(models.Model):
    """What was reserved at a partner for a member of ours, and how far that got."""

    class State(models.TextChoices):
        ASKING = "asking", "Being asked"
        UNCONFIRMED = "unconfirmed", "Not confirmed yet"
        CONFIRMED = "confirmed", "Confirmed"
        REFUSED = "refused", "Refused"
        CANCELLING = "cancelling", "Being cancelled"
        CANCELLED = "cancelled", "Cancelled"
        CLOSED = "closed", "Ended"

    # What may become of it. It is written down before the partner is asked, so that nothing that is kept there is
    # unknown here, whatever happens in between.
    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        "asking": {"unconfirmed", "confirmed", "refused", "cancelling"},
        "unconfirmed": {"unconfirmed", "confirmed", "refused", "cancelling", "closed"},
        "confirmed": {"confirmed", "cancelling", "closed"},
        "cancelling": {"cancelling", "cancelled", "closed"},
        "refused": set(),
        "cancelled": set(),
        "closed": set(),
    }
    LIVE: ClassVar = (State.ASKING, State.UNCONFIRMED, State.CONFIRMED, State.CANCELLING)

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="reservations")
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="+")
    # Empty once the member was deleted.
    member = models.ForeignKey(Member, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices, default=State.ASKING)
    key = models.UUIDField(default=uuid4, unique=True, editable=False, help_text="Travels as its Idempotency-Key.")
    caller = models.CharField(max_length=100, blank=True, editable=False)
    caller_key = models.CharField(max_length=255, blank=True, editable=False, help_text="The caller's Idempotency-Key.")
    fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    until = models.DateTimeField(help_text="Until when the copy is to be kept.")
    remote_id = models.BigIntegerField(null=True, help_text="The reservation's number there.")
    remote_status = models.CharField(max_length=20, blank=True, help_text="What it is there.")
    shelf_until = models.DateTimeField(null=True, help_text="Until when the copy is kept there.")
    message = models.CharField(max_length=500, blank=True, help_text="What the partner said, or why it said nothing.")
    reasons = models.JSONField(default=list, help_text="Why it refused.")
    asked_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often in a row it said nothing.")
    next_try_at = models.DateTimeField(null=True, help_text="When it is asked again. Empty: never.")
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar = PartnerReservationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "caller_key"], name="one_partner_reservation_per_key", condition=~Q(caller_key="")
            ),
            models.UniqueConstraint(
                fields=["member", "book"],
                name="one_live_partner_reservation",
                condition=Q(state__in=["asking", "unconfirmed", "confirmed", "cancelling"]),
            ),
        ]
        indexes = [
            # What is to be asked; and what is old enough to be forgotten.
            models.Index(
                fields=["next_try_at"], name="partner_reservation_due", condition=Q(next_try_at__isnull=False)
            ),
            models.Index(fields=["ended_at"], name="partner_reservation_ended", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.book} at {self.partner}"

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE

    def become(self, to: str) -> None:
        """Raises InvalidTransition for a step that is not in the table."""
        if to not in self.TRANSITIONS[self.state]:
            label = PartnerReservation.State(self.state).label.lower()
            raise InvalidTransition(f"This reservation is {label} at {self.partner}.", status=self.state)
        self.state = to
