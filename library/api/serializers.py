"""Copies and members, in and out; and what every input of staff shares."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from library import isbn
from library.exceptions import NO_OVERRIDE, BranchNotFound, Override
from library.models import BARCODE, Copy, Member
from library.services import branch_named, split_name
from rest.serializers import Moment, StrictSerializer, Text, WholeNumber, shown


@extend_schema_field({"type": "string", "pattern": f"^{BARCODE}$"})
class Barcode(Text):
    """1 to 64 letters, digits, dots, underscores or hyphens."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not re.fullmatch(BARCODE, text):
            raise serializers.ValidationError("A barcode is 1 to 64 letters, digits, dots, underscores or hyphens.")
        if text in (".", ".."):
            raise serializers.ValidationError("This barcode would mean something else in an address.")
        return text


@extend_schema_field({"type": "string", "format": "isbn", "maxLength": 32})
class Isbn(Text):
    """An ISBN-10 or ISBN-13, with or without hyphens; thirteen digits afterwards."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "ISBN-10 or ISBN-13, with or without hyphens.")
        super().__init__(max_length=32, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return isbn.normalised(text) if text else ""
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class OverrideInput(StrictSerializer):
    """What staff may add to an operation to set refusals aside."""

    override = serializers.ListField(
        child=Text(max_length=64),
        required=False,
        max_length=20,
        help_text="Codes of overridable refusals to set aside.",
    )
    override_reason = Text(required=False, max_length=300, help_text="Why. It is kept with the event.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        codes, reason = data.pop("override", []), data.pop("override_reason", "")
        if codes and not reason:
            raise serializers.ValidationError({"override_reason": "Say why you override."}, code="required")
        return data | {"override": Override(frozenset(codes), reason) if codes else NO_OVERRIDE}


class CopyOut(serializers.Serializer[Copy]):
    barcode = serializers.CharField()
    book_id = serializers.IntegerField()
    branch = serializers.CharField(source="branch.name")
    status = serializers.ChoiceField(Copy.Status.choices)
    due_at = Moment(allow_null=True)
    holder_id = serializers.IntegerField(
        allow_null=True, required=False, help_text="Who has it, or whom it is set aside for. Only staff see it."
    )


def copy_data(copy: Copy, *, for_staff: bool) -> dict[str, Any]:
    """A copy as `CopyOut`. Who has it is nobody's business but the staff's."""
    data = shown(CopyOut, copy)
    if not for_staff:
        del data["holder_id"]
    return data


class BranchName(Text):
    """A branch by its name, in any case; the branch afterwards."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=120, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        name = super().run_validation(data)
        try:
            return branch_named(name)
        except BranchNotFound as error:
            raise serializers.ValidationError(error.message, code="does_not_exist") from error


def as_branch(data: dict[str, Any]) -> dict[str, Any]:
    """What was asked, with a `library` as its `branch`. Raises ValidationError for both."""
    if "library" not in data:
        return data
    if "branch" in data:
        raise serializers.ValidationError({"library": "Give either a branch or a library: they mean the same."})
    return {name: value for name, value in data.items() if name != "library"} | {"branch": data["library"]}


class PlaceInput(StrictSerializer):
    """Where: `branch`, or `library`, which means the same."""

    branch = BranchName(required=False)
    library = BranchName(required=False, help_text="Another word for `branch`.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        return as_branch(super().validate(data))


class CopyEdit(PlaceInput):
    barcode = Barcode(required=False)


class CopiesInput(PlaceInput):
    count = WholeNumber(required=False, min_value=1, max_value=100)
    barcodes = serializers.ListField(child=Barcode(), required=False, min_length=1, max_length=100)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data = super().validate(data)
        if "count" in data and "barcodes" in data:
            raise serializers.ValidationError({"count": "Give either a count or barcodes."})
        barcodes = data.get("barcodes", [])
        if len(set(barcodes)) < len(barcodes):
            raise serializers.ValidationError({"barcodes": "A barcode stands here twice."})
        return data


class MemberOut(serializers.Serializer[Member]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    email = serializers.CharField()
    card_number = serializers.CharField()
    category = serializers.CharField(source="category.name")
    branch = serializers.CharField(source="branch.name")
    expires_on = serializers.DateField(allow_null=True)
    blocked_reason = serializers.CharField()


class NameInput(StrictSerializer):
    """A `name`, or a `first_name` and a `last_name`. What follows the last space of a name is the last name."""

    needs_name = True

    name = Text(required=False, max_length=300)
    first_name = Text(required=False, max_length=150, allow_blank=True)
    last_name = Text(required=False, max_length=150, allow_blank=True)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        if "name" in data:
            if "first_name" in data or "last_name" in data:
                raise serializers.ValidationError({"name": "Give either a name or its two parts."})
            data["first_name"], data["last_name"] = split_name(data.pop("name"))
            if len(data["first_name"]) > 150 or len(data["last_name"]) > 150:
                raise serializers.ValidationError({"name": "Neither part of a name may be longer than 150 characters."})
        named = data.get("first_name") or data.get("last_name")
        if self.needs_name and not self.partial and not named:
            raise serializers.ValidationError({"name": "A member needs a name."}, code="required")
        return data


class MemberInput(NameInput):
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    card_number = Text(required=False, max_length=64)
    category = Text(required=False, max_length=60)
    branch = Text(required=False, max_length=120)
    expires_on = serializers.DateField(required=False, allow_null=True)
    blocked_reason = Text(required=False, max_length=300, allow_blank=True)
