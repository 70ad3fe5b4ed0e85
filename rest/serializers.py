"""What input serializers share: fields that refuse instead of guessing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import copy
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any, TypeVar

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

M = TypeVar("M")

BIGINT = 2**63 - 1
YEARS = range(1900, 3000)


def shown(serializer: type[serializers.Serializer[Any]], row: Any) -> dict[str, Any]:
    """One row as this serializer writes it."""
    return _made_once(serializer).to_representation(row)


def written(serializer: type[serializers.Serializer[M]], rows: Iterable[M], **context: Any) -> list[dict[str, Any]]:
    """The rows as this serializer writes them."""
    writer = serializer(context=context) if context else _made_once(serializer)
    return [writer.to_representation(row) for row in rows]


def valid(serializer: type[serializers.Serializer[Any]], data: Any, **kwargs: Any) -> dict[str, Any]:
    """What was sent, as this serializer reads it. Raises ValidationError."""
    reader = serializer(**kwargs) if kwargs else copy(_made_once(serializer))
    reader.initial_data = data
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


@cache
def _made_once(serializer: type[serializers.Serializer[M]]) -> serializers.Serializer[M]:
    """Each instance copies all its fields, which takes ten times as long as writing a row with them.

    Fields keep nothing of what they write or read, so that threads may share them.
    """
    made = serializer()
    _ = made.fields  # copied now, and so with every copy of the instance
    return made


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, Mapping):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            errors = {name: [serializers.ErrorDetail("There is no such field here.", "unknown")] for name in unknown}
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(error.detail, dict):
                error.detail |= errors
            raise
        if errors:
            raise serializers.ValidationError(errors)
        return value


class Text(serializers.CharField):
    """Text as it was written: nothing is trimmed, and numbers are not text. Blank means nothing but white space."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and data and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A whole number, which 1.0 is as well; not a string of digits, not true."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class Identifier(WholeNumber):
    """An id of ours."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGINT, **kwargs)


class IdentifierInQuery(serializers.IntegerField):
    """An id of ours in a query string, where everything is text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGINT, **kwargs)


class YesNo(serializers.BooleanField):
    """true or false; not "yes", not 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


@extend_schema_field(OpenApiTypes.DATETIME)
class Moment(serializers.Field[datetime, str, str, Any]):
    """An ISO 8601 moment. Without a zone it stays naive, to be read in the branch's; a mere date means its end."""

    default_error_messages = {
        "invalid": "Write a moment like 2026-12-31T23:59:59+01:00, or a date like 2026-12-31.",
        "range": "The year must lie between 1900 and 2999.",
    }

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            day: date | None = parse_date(data) if len(data) == 10 else None
            moment = datetime.combine(day, time(23, 59, 59)) if day else parse_datetime(data)
            if day is None and not re.search("[Tt ]", data):  # a date in another form, which would mean its beginning
                moment = None
        except ValueError:
            moment = None
        if moment is None:
            self.fail("invalid")
        if moment.year not in YEARS:
            self.fail("range")
        return moment

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
