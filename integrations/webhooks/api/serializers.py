"""Webhooks as they are sent in and out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers

from integrations.addresses import is_allowed, written_out
from integrations.publishing.types import TYPES
from integrations.reaching import split
from integrations.webhooks.models import Delivery, Subscription
from rest.serializers import Moment, StrictSerializer, Text, YesNo

TYPE_CHOICES = sorted((kind.name, kind.when) for kind in TYPES.values())


class SubscriptionOut(serializers.Serializer[Subscription]):
    """An address that messages are sent to."""

    id = serializers.IntegerField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField(), help_text="Empty: all.")
    description = serializers.CharField()
    active = serializers.BooleanField()
    silent_because = serializers.SerializerMethodField(
        help_text="Why nothing is sent: it was paused, or whoever made it may no longer read events. Empty: it is sent."
    )
    failing_since = Moment(allow_null=True, help_text="Null while the last delivery was received.")
    owner = serializers.CharField(source="owner.username", help_text="Who made it.")
    key_id = serializers.IntegerField(allow_null=True, help_text="The API key that made it.")
    created_at = Moment()

    def get_silent_because(self, subscription: Subscription) -> str:
        return subscription.silent_because(timezone.now())


class NewSubscriptionOut(SubscriptionOut):
    secret = serializers.CharField(help_text="What messages are signed with. Nobody can show it again.")


class _Url(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=2000, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        url = super().run_validation(data)
        try:
            host = split(url).hostname or ""
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from None
        # Names are asked when something is sent: what they mean then counts.
        if (address := written_out(host)) and not is_allowed(address, settings.WEBHOOK_NETWORKS):
            raise serializers.ValidationError("Nothing is sent to private addresses like this one.", code="private")
        return url


class SubscriptionInput(StrictSerializer):
    url = _Url(help_text="Begins with https:// or http://.")
    types = serializers.ListField(
        child=serializers.ChoiceField(TYPE_CHOICES), required=False, max_length=100, help_text="Empty: all."
    )
    description = Text(required=False, allow_blank=True, max_length=200)


class SubscriptionEdit(StrictSerializer):
    url = _Url(required=False)
    types = serializers.ListField(child=serializers.ChoiceField(TYPE_CHOICES), required=False, max_length=100)
    description = Text(required=False, allow_blank=True, max_length=200)
    active = YesNo(required=False, help_text="`false` pauses; `true` resumes, beginning with what waited meanwhile.")


class DeliveryOut(serializers.Serializer[Delivery]):
    """A message for one webhook, and how far it got."""

    id = serializers.IntegerField()
    webhook_id = serializers.CharField(help_text="The header of this name, the same at every attempt.")
    event_id = serializers.IntegerField(allow_null=True, help_text="Null of a test.")
    type = serializers.CharField()
    state = serializers.ChoiceField(Delivery.State.choices)
    attempts = serializers.IntegerField()
    created_at = Moment()
    next_attempt_at = Moment(source="due_at", allow_null=True)
    last_attempt_at = Moment(allow_null=True)
    status = serializers.IntegerField(allow_null=True, help_text="Of the last answer; null when there was none.")
    answer = serializers.CharField(help_text="The first 500 characters of the last answer.")
    error = serializers.CharField(help_text="Why the last attempt failed; empty when it did not.")
    duration_ms = serializers.IntegerField(source="duration", allow_null=True, help_text="Of the last attempt.")
