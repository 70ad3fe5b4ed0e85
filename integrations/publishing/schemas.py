"""The messages described: in the OpenAPI document, and as JSON Schema."""

from __future__ import annotations

import json
import re
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    OpenApiWebhook,
    extend_schema,
)

from integrations.publishing.messages import MessageOut
from integrations.publishing.types import PARTS, TYPES

HEADERS = [
    ("webhook-id", "The same at every attempt.", "all-4711"),
    (
        "webhook-timestamp",
        "Of the attempt, in seconds since 1970. Refuse what is older than five minutes.",
        "1772446500",
    ),
    (
        "webhook-signature",
        "`v1,` and an HMAC-SHA256 of id, timestamp and body, with dots between, in base64. One for each secret that is "
        "good, with spaces between.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
]

MESSAGE = OpenApiWebhook(
    name="message",
    decorator=extend_schema(
        operation_id="message",
        summary="Something happened",
        description=(
            "Sent to whoever subscribed, and put into the stream. At least once; a message that comes again has the "
            "same `id`. Signed as Standard Webhooks has it."
        ),
        tags=["events"],
        parameters=[
            OpenApiParameter(
                name,
                str,
                OpenApiParameter.HEADER,
                required=True,
                description=description,
                examples=[OpenApiExample("Example", value=value)],
            )
            for name, description, value in HEADERS
        ],
        request=MessageOut,
        responses={"2XX": OpenApiResponse(description="Received. Any other answer has it sent again.")},
    ),
)


def message_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a message, made of the OpenAPI document's components."""
    generator: Any = SchemaGenerator  # it has no types
    components: dict[str, Any] = generator().get_schema(public=True)["components"]["schemas"]
    needed: dict[str, Any] = {}
    found = ["Message"]
    while found:
        name = found.pop()
        if name not in needed:
            needed[name] = components[name]
            found += re.findall(r"#/components/schemas/(\w+)", json.dumps(components[name]))
    message = needed.pop("Message")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **message,
        "$defs": dict(sorted(needed.items())),
    }
    moved: dict[str, Any] = json.loads(json.dumps(schema).replace("#/components/schemas/", "#/$defs/"))
    return moved


def type_table() -> str:
    """The types of messages, for the documentation."""
    lines = [f"| type | when | {' | '.join(PARTS)} |", f"|---|---|{'---|' * len(PARTS)}"]
    for kind in TYPES.values():
        has = " | ".join("✓" if part in kind.parts else "" for part in PARTS)
        lines.append(f"| `{kind.name}` | {kind.when} | {has} |")
    return "\n".join(lines)
