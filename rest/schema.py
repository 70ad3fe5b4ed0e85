"""How views describe themselves to the OpenAPI document.

An endpoint names the refusals that it can give; config/api/schema.py writes them out, with an example each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar, cast

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
)
from rest_framework import serializers

from rest.pagination import LIMIT, MAX_LIMIT
from rest.rendering import FILE
from rest.serializers import StrictSerializer

F = TypeVar("F", bound=Callable[..., Any])
Parameters: TypeAlias = OpenApiParameter | type[serializers.Serializer[Any]]

TAG = '"5d41402abc4b2a76.184"'  # as an example
# What any endpoint may answer, one that takes a body, and a POST that changes something. Who may call it is known to
# the table of access alone; config/api/schema.py says it.
ALWAYS = ("TOKEN_INVALID", "PERMISSION_DENIED", "NOT_ACCEPTABLE", "THROTTLED", "DATABASE_UNAVAILABLE")
WITH_BODY = ("MALFORMED_JSON", "VALIDATION_ERROR", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE", "BUSY")
# NOT_FOUND: what was answered the first time was erased with the member that it told of.
WITH_KEY = ("IDEMPOTENCY_KEY_INVALID", "IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED", "NOT_FOUND")

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="Any text of up to 255 characters, new for every new request. Repeating a request with its key "
    "repeats the answer, not the effect; it is kept for 24 hours.",
    examples=[OpenApiExample("Example", value="9b2f6c1e-6f0b-4f0e-9a53-0d5a4c7e8b21")],
)
DRY_RUN = OpenApiParameter(
    "dry_run", bool, description="`true` answers what would happen, with all refusals, and changes nothing."
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` that you read. If the record was edited since, the answer is 412 `STALE_VERSION`.",
    examples=[OpenApiExample("Example", value=TAG)],
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what you have. If that still holds, the answer is 304 and empty.",
    examples=[OpenApiExample("Example", value=TAG)],
)
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    str,
    OpenApiParameter.HEADER,
    description="The id of the last event that you got. Browsers send it by themselves. What can be none is ignored.",
    examples=[OpenApiExample("Example", value="184")],
)
FORMAT = OpenApiParameter(
    "format", str, enum=["json", "csv"], description="`csv`: everything in one table, without pages."
)
NOTHING = {"type": "null"}  # the schema of data that is none


@extend_schema_field({"type": "array", "items": {"$ref": "#/components/schemas/Refusal"}})
class RefusalsField(serializers.ListField):
    """Refusals in full; each has facts of its own."""


class RehearsalOut(serializers.Serializer[Any]):
    """What would happen, and everything that speaks against it. Nothing was changed."""

    would = serializers.CharField(help_text="`refuse`, or what would be done.")
    refusals = RefusalsField()


class EnvelopeSchema(AutoSchema):
    """Wraps what a view declares as its data in the envelope, and names both as clients would."""

    def _get_response_for_code(self, serializer: Any, status_code: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        response: dict[str, Any] = super()._get_response_for_code(serializer, status_code, *args, **kwargs)  # type: ignore[no-untyped-call]
        if str(status_code).startswith("3"):
            response.pop("content", None)
        content = response.get("content", {})
        content.pop("application/problem+json", None)
        media = content.get("application/json")
        if media is not None and not cast(Any, self.view).is_bare:
            media["schema"] = self._envelope(media["schema"] or NOTHING)
        return response

    def _envelope(self, data: dict[str, Any]) -> dict[str, Any]:
        """The envelope of this data; by reference, where the data has a name: a Book is in a BookAnswer."""
        envelope = {
            "type": "object",
            "required": ["success", "message", "data"],
            "properties": {
                "success": {"type": "boolean", "const": True},
                "message": {"type": "string", "description": "For people; may be empty."},
                "data": data,
            },
        }
        many = "List" if "items" in data else ""
        named = "Empty" if data == NOTHING else data.get("items", data).get("$ref", "").rpartition("/")[2]
        if not named:
            return envelope
        name = f"{named}{many}Answer"
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, envelope, object=name)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        return dict(component.ref)

    def _get_serializer_name(self, serializer: Any, direction: Any, *args: Any, **kwargs: Any) -> str:
        """BookOut is a Book, BookInput stays what it is, and what changes some fields of a book is a BookChange."""
        name: str = super()._get_serializer_name(serializer, direction, *args, **kwargs)
        name = re.sub(r"(Input|Edit)Request$", r"\1", name)
        return re.sub(r"^Patched(\w+?)(Input|Edit)$", r"\1Change", name).removesuffix("Out")

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        """What an input does not know, it refuses."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        return schema | {"additionalProperties": False} if isinstance(serializer, StrictSerializer) else schema

    def get_description(self) -> str:  # type: ignore[override]  # as its base class has it
        return ""  # unless `endpoint` gives one: docstrings are for those who read the code

    def get_tags(self) -> list[str]:
        return [cast(Any, self.view).tag]


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of `/api/token`.",
        }


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "An API key of `/api/keys`. What its scopes allow is said of each address.",
        }


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "accounts.authentication.SessionAuthentication"
    name = "cookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "Signed in through the admin.",
        }


def endpoint(
    *,
    name: str,
    summary: str,
    description: str = "",
    answers: Mapping[int, Any],
    request: Any = None,
    refusals: Sequence[str] = (),
    query: Sequence[Parameters] = (),
    keyed: bool = False,
    versioned: bool = False,
    example: Any = None,
    headers: Mapping[int, Sequence[str]] | None = None,
    table: str = "",
    stream: str = "",
    file: str = "",
    is_form: bool = False,
    own_errors: bool = False,
) -> Callable[[F], F]:
    """Describe one method of a view.

    `answers` maps a status to the serializer of `data` (None: null). `query` holds parameters, or serializers of
    several. `keyed` says that Idempotency-Key and dry_run work, `versioned` that If-Match does. `example` is a request
    body. `headers` names by status what an answer carries beyond what all such answers do (config/api/headers.py).
    `table` shows how `?format=csv` answers, `stream` what an endpoint sends that answers with events, and `file` how a
    file begins that it answers with. `is_form` says that the request is a form with files, `own_errors` that
    errors have the form of somebody else's specification, and that the refusals name what a wrong query is.
    """
    codes = [
        *refusals,
        *ALWAYS,
        *(WITH_BODY if request or keyed else ()),
        *(WITH_KEY if keyed else ()),
    ]
    query = [*([FORMAT] if table else ()), *query]
    if query and not request and not own_errors:
        codes.append("VALIDATION_ERROR")
    if versioned:
        codes.append("STALE_VERSION")
    parameters = [
        *query,
        *([LAST_EVENT_ID] if stream else ()),
        *([KEY, DRY_RUN] if keyed else ()),
        *([IF_MATCH] if versioned else ()),
    ]
    sends = {str(status): list(names) for status, names in (headers or {}).items()}
    responses: dict[Any, Any] = {
        status: OpenApiResponse(
            data if data is not None else OpenApiTypes.NONE,
            description=WOULD if data is RehearsalOut else DESCRIPTIONS[status],
        )
        for status, data in (rehearsable(answers) if keyed else answers).items()
    }
    if table:
        as_table = OpenApiExample("Table", value=table, response_only=True, media_type="text/csv")
        responses[200, "text/csv"] = OpenApiResponse(OpenApiTypes.STR, DESCRIPTIONS[200], examples=[as_table])
    if file:
        as_file = OpenApiExample("File", value=file, response_only=True, media_type=FILE)
        responses = {(200, FILE): OpenApiResponse(OpenApiTypes.BINARY, "The file.", examples=[as_file])}
    if stream:
        as_events = OpenApiExample("Events", value=stream, response_only=True, media_type="text/event-stream")
        responses[200, "text/event-stream"] = OpenApiResponse(
            OpenApiTypes.STR, "Events, as they come.", examples=[as_events]
        )

    form = "multipart/form-data" if is_form else None
    shown_request = OpenApiExample("Example", value=example, request_only=True, media_type=form)

    def decorate(method: F) -> F:
        is_read = method.__name__ == "get" and not stream
        decorated: F = extend_schema(
            operation_id=name,
            summary=summary,
            description=description,
            parameters=[*parameters, *([IF_NONE_MATCH] if is_read else ())],
            request=request,
            responses=responses,
            examples=[shown_request] if example is not None else None,
            extensions={"x-refusals": list(dict.fromkeys(codes)), "x-headers": sends},
        )(method)
        return decorated

    return decorate


def rehearsable(answers: Mapping[int, Any]) -> Mapping[int, Any]:
    """These answers, and that to `dry_run=true`: 200, but in a batch, which answers for each of its parts."""
    if 207 in answers:
        return answers
    if 200 not in answers:
        return {200: RehearsalOut, **answers}
    name = f"{answers[200].__name__.removesuffix('Out')}OrRehearsal"
    either = PolymorphicProxySerializer(name, [answers[200], RehearsalOut], resource_type_field_name=None)
    return {**answers, 200: either}


LIMITS: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": LIMIT}
WOULD = "With `dry_run=true`: what would happen."
DESCRIPTIONS = {
    200: "Done, or found.",
    201: "Made.",
    202: "Accepted: the member joined the line, for nothing was free; or a worker will do it.",
    207: "One result for each operation.",
    307: "Elsewhere: ask there.",
}


@cache
def page_of(
    serializer: type[serializers.Serializer[Any]], **more: serializers.Field[Any, Any, Any, Any]
) -> type[serializers.Serializer[Any]]:
    """The serializer of a page of these, with what else comes with it."""
    return type(
        f"{serializer.__name__.removesuffix('Out')}Page",
        (serializers.Serializer,),
        {
            "results": serializer(many=True),
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "count": serializers.IntegerField(required=False, help_text="Only with `count=true`; stops at 10,001."),
            **more,
        },
    )


def page_query(orderings: Iterable[str], default: str | None) -> list[OpenApiParameter]:
    """The parameters that every list takes. Without a default ordering, which one it is depends on the others."""
    names = [sign + name for name in orderings for sign in ("", "-")]
    return [
        OpenApiParameter("limit", LIMITS, description=f"How many, 1 to {MAX_LIMIT}."),
        OpenApiParameter("ordering", str, enum=names, default=default),
        OpenApiParameter("cursor", str, description="From `next` or `previous`; do not make your own."),
        OpenApiParameter("count", bool, description="`true` adds a count, which stops at 10,001."),
    ]
