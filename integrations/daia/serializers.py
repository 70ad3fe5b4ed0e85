"""The answer, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class DaiaEntityOut(serializers.Serializer[Any]):
    """Something with a name."""

    id = serializers.URLField(required=False)
    href = serializers.URLField(required=False)
    content = serializers.CharField()


class DaiaAvailableOut(serializers.Serializer[Any]):
    """What can be done with a copy now."""

    service = serializers.ChoiceField(["presentation", "loan"])


class DaiaUnavailableOut(serializers.Serializer[Any]):
    """What cannot be done with a copy now."""

    service = serializers.ChoiceField(["presentation", "loan"])
    expected = serializers.CharField(
        required=False,
        help_text="The day on which it is due, at its branch; or `unknown`: some time. Not there: perhaps never.",
    )
    queue = serializers.IntegerField(
        required=False, min_value=1, help_text="How many wait for the title. Not there: nobody."
    )
    limitation = DaiaEntityOut(many=True, required=False)


class DaiaItemOut(serializers.Serializer[Any]):
    """A copy."""

    id = serializers.URLField()
    href = serializers.URLField()
    label = serializers.CharField(help_text="The barcode.")  # type: ignore[assignment]  # as DAIA names it
    department = DaiaEntityOut()
    storage = DaiaEntityOut(required=False)
    available = DaiaAvailableOut(many=True)
    unavailable = DaiaUnavailableOut(many=True)


class DaiaDocumentOut(serializers.Serializer[Any]):
    """A title, found by one of the identifiers."""

    id = serializers.URLField()
    requested = serializers.CharField(help_text="The identifier, as it was sent.")
    href = serializers.URLField()
    about = serializers.CharField()
    item = DaiaItemOut(many=True)


class DaiaOut(serializers.Serializer[Any]):
    """A DAIA response."""

    document = DaiaDocumentOut(many=True)
    institution = DaiaEntityOut()
    timestamp = serializers.DateTimeField()
