"""The headers of answers, as the OpenAPI document describes them: what each is, and which answer carries it."""

from __future__ import annotations

from typing import Any

from accounts.access import Rule
from integrations.daia import errors as daia


def _header(description: str, example: Any, /, *, always: bool = True, **schema: Any) -> dict[str, Any]:
    schema = {"type": "string", **schema}
    return {"description": description, "required": always, "schema": schema, "example": example}


# `always`: whether an answer that is said to carry it always does.
HEADERS = {
    "X-Request-ID": _header(
        "The number of this request, under which the library's logs tell of it: what you sent in `X-Request-ID`, if "
        "that is up to 64 letters, digits, dots, dashes and underscores.",
        "0b1f5e1c9d3a4c0f8e2d7a6b5c4d3e2f",
        pattern="^[A-Za-z0-9._-]{1,64}$",
    ),
    "ETag": _header(
        "Changes with what is shown. For `If-Match` and `If-None-Match`.",
        '"5d41402abc4b2a76.184"',
        pattern='^"[0-9a-f]+([.][0-9a-f]+)?"$',
    ),
    "Location": _header(
        "Where to find what was made, or where to ask.", "/api/books/1/", pattern="^(https?://[^/]+)?/api/.+/([?].*)?$"
    ),
    "Content-Disposition": _header("A name for the file.", 'attachment; filename="table.csv"', always=False),
    "Cache-Control": _header("What is not for everybody is kept nowhere on its way.", "no-store", const="no-store"),
    "Idempotency-Replayed": _header(
        "The answer to an earlier request with this Idempotency-Key. Otherwise the header is not there.",
        "true",
        always=False,
        const="true",
    ),
    "RateLimit-Policy": _header(
        "The allowance that this request counted against, how many requests it has (`q`) and for how many seconds "
        "(`w`). Not there where nobody counts: at an open desk, or while Redis is away.",
        '"read";q=600;w=60',
        always=False,
        pattern='^"(read|write|account)";q=[0-9]+;w=60$',
    ),
    "RateLimit": _header(
        "How many requests are left (`r`), and in how many seconds it is full again (`t`).",
        '"read";r=599;t=1',
        always=False,
        pattern='^"(read|write|account)";r=[0-9]+;t=[0-9]+$',
    ),
    "Retry-After": _header("Seconds to wait.", 7, type="integer", minimum=0),
    **{
        name: _header(description, daia.HEADERS[name], const=daia.HEADERS[name])
        for name, description in {
            "X-DAIA-Version": "The version of DAIA that is spoken.",
            "Access-Control-Allow-Origin": "Pages of any site may read this.",
            "Content-Language": "The language of what is for people.",
        }.items()
    },
    "WWW-Authenticate": _header("How to say who one is.", 'Bearer realm="api"'),
}


def names_of(status: int, *, path: str, is_read: bool, rule: Rule, keyed: bool) -> list[str]:
    """The headers of one answer, apart from those that its endpoint names."""
    names = ["X-Request-ID", *(daia.HEADERS if path == daia.PATH else [])]
    if rule.who != "anyone" or rule.rate != "read":
        names.append("Cache-Control")
    if status != 406:  # is answered before anybody is counted
        names += ["RateLimit-Policy", "RateLimit"]
    if status in (200, 304) and is_read:
        names.append("ETag")
    if status in (200, 201, 202) and keyed:
        names.append("Idempotency-Replayed")
    if status == 401:
        names.append("WWW-Authenticate")
    if status in (429, 503):
        names.append("Retry-After")
    return names


def references(names: list[str]) -> dict[str, Any]:
    """These headers, for a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
