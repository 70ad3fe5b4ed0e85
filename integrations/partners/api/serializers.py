"""What partner libraries have, as it is sent out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from integrations.partners.asking import Answer
from reservations.api.serializers import AvailabilityOut


class PartnerAnswerOut(serializers.Serializer[Answer]):
    """What a partner library has of a title, as it said `age` seconds ago; null where it did not say."""

    name = serializers.CharField(source="partner.name")
    available = serializers.BooleanField(allow_null=True)
    copies_available = serializers.IntegerField(allow_null=True)
    copies_total = serializers.IntegerField(allow_null=True)
    age = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(component_name="Availability")
class AvailabilityEverywhereOut(AvailabilityOut):
    partners = PartnerAnswerOut(many=True, required=False, help_text="Only with `partners=true`.")


class AvailabilityQuery(serializers.Serializer[Any]):
    partners = serializers.BooleanField(
        required=False, help_text="`true` asks the partner libraries as well, which may take two seconds."
    )


class StatusOut(serializers.Serializer[Any]):
    """Which libraries have a title free. One that cannot answer is null."""

    book_id = serializers.IntegerField()
    availability = serializers.DictField(child=serializers.BooleanField(allow_null=True))
