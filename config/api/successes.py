"""Examples of successful answers, made of the specimens of each kind of data."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from config.api.examples import EXAMPLES
from config.api.specimens import (
    ACCEPTED,
    BOOK,
    CANCELLED,
    COPY,
    DATA,
    ELSEWHERE,
    HELD,
    KEY,
    LOAN,
    MEMBER,
    NOTICES,
    QUEUED,
    RESERVATION,
    UNCONFIRMED,
)

# What an answer says, by operation (and status), with its data where not any of its kind will do. Reading says nothing.
SAID: dict[str, str | tuple[str, Any]] = {
    "index": "This is Circdesk.",
    "register": "Welcome, Ada Lovelace. Your card number is C00000002.",
    "enrol": "Ada Lovelace enrolled with card C00000002.",
    "sign_in": "Signed in as ada.",
    "sign_out": "Signed out.",
    "token_refresh": "Here are the next two.",
    "token_verify": "This token is valid.",
    "me_password": "Password changed.",
    "keys_create": "Keep this key safe: it cannot be shown again. It is called Self-check machine, entrance.",
    "keys_revoke": (
        "The key Self-check machine, entrance is revoked.",
        KEY | {"revoked_at": "2026-03-11T16:40:00Z"},
    ),
    "imports_create": (ACCEPTED, QUEUED),
    "exports_create": (ACCEPTED, QUEUED | {"kind": "export", "asked_by": "admin"}),
    "anonymisations_create": (ACCEPTED, QUEUED | {"kind": "anonymise", "asked_by": "admin"}),
    "jobs_cancel": (
        "Job 12 is cancelled.",
        QUEUED | {"state": "cancelled", "ended_at": "2026-03-02T10:15:02Z", "message": "Cancelled."},
    ),
    "webhooks_create": "Keep this secret safe: it cannot be shown again.",
    "webhooks_update": "Saved.",
    "webhooks_delete": "Nothing is sent there any more.",
    "webhooks_test": (
        "It was received.",
        {
            "id": 60,
            "webhook_id": "test-60",
            "event_id": None,
            "type": "test",
            "state": "delivered",
            "attempts": 1,
            "created_at": "2026-03-01T09:05:00Z",
            "next_attempt_at": None,
            "last_attempt_at": "2026-03-01T09:05:00Z",
            "status": 204,
            "answer": "",
            "error": "",
            "duration_ms": 52,
        },
    ),
    "webhooks_rotate_secret": "Keep this secret safe: it cannot be shown again.",
    "books_create": ("“Middlemarch” added, number 1.", BOOK | {"available": 2}),
    "books_replace": "“Middlemarch” saved.",
    "books_update": ("“Middlemarch” saved.", BOOK | {"in_circulation": False}),
    "books_withdraw": "“Middlemarch” withdrawn.",
    "copies_create": ("Added: 1-1, 1-2.", [COPY, COPY | {"barcode": "1-2"}]),
    "copies_update": "Copy 1-1 saved.",
    "copies_mark_lost": ("Copy 1-1 is now lost.", {"copy": COPY | {"status": "lost"}, "next": None}),
    "copies_mark_missing": ("Copy 1-1 is now missing.", {"copy": COPY | {"status": "missing"}, "next": None}),
    "copies_receive": ("Copy 1-1 came in. Put it back on the shelf.", {"copy": COPY, "next": {"action": "shelve"}}),
    "copies_mark_found": ("Copy 1-1 came in. Put it back on the shelf.", {"copy": COPY, "next": {"action": "shelve"}}),
    "copies_mark_damaged": ("Copy 1-1 is now damaged.", {"copy": COPY | {"status": "damaged"}, "next": None}),
    "copies_repair": ("Copy 1-1 came in. Put it back on the shelf.", {"copy": COPY, "next": {"action": "shelve"}}),
    "copies_withdraw": ("Copy 1-1 is now withdrawn.", {"copy": COPY | {"status": "withdrawn"}, "next": None}),
    "members_create": "Ada Lovelace enrolled with card C00000002.",
    "members_replace": ("Ada King saved.", MEMBER | {"name": "Ada King", "last_name": "King"}),
    "members_update": ("Ada Lovelace saved.", MEMBER | {"blocked_reason": "Card reported stolen"}),
    "members_delete": "Member 2 deleted.",
    "members_notices_update": ("Saved.", NOTICES | {"language": "ar", "unwanted": ["returned", "renewed"]}),
    "me_notices_update": ("Saved.", NOTICES | {"language": "ar", "unwanted": ["returned", "renewed"]}),
    "checkout 201": "Copy 1-1 lent to Ada Lovelace until 2026-03-30.",
    "checkout 202": "Nothing is free. Grace Hopper is at place 1 in the line for “Middlemarch”.",
    "return_copy": "Copy 1-1 returned. Put it on the hold shelf for Grace Hopper.",
    "scan": "Copy 1-1 lent to Ada Lovelace until 2026-03-30.",
    "renew": ("Copy 1-1 is now due on 2026-04-08.", LOAN | {"due_at": "2026-04-08T23:59:59Z", "renewals": 1}),
    "undo": (
        "Copy 1-1 is on loan to Ada Lovelace again, until 2026-03-30.",
        {"undone": "return", "loan": LOAN | {"id": 8}, "next": None},
    ),
    "batch": "1 of 1 done.",
    "reservations_create": "“Middlemarch” reserved for Grace Hopper, place 1 in the line.",
    "reservations_cancel": ("The reservation of “Middlemarch” is cancelled.", CANCELLED),
    "reservations_suspend": (
        "The reservation of “Middlemarch” is suspended and keeps its place.",
        RESERVATION | {"status": "suspended"},
    ),
    "reservations_resume": "The reservation of “Middlemarch” is resumed at place 1.",
    "reservations_reorder": "The reservation of “Middlemarch” is now at place 1.",
    "reservations_fulfill": ("Copy 1-1 lent to Grace Hopper until 2026-04-08.", LOAN | {"id": 8, "member_id": 3}),
    "reserve_until": ("“Middlemarch” reserved for Grace Hopper, and a copy is set aside.", HELD),
    "reserve_until 202": (
        "Riverside Library has not confirmed yet that it keeps “Middlemarch”. It is asked again.",
        UNCONFIRMED,
    ),
    "reserve_anywhere 202": (
        "Riverside Library has not confirmed yet that it keeps “Middlemarch”. It is asked again.",
        UNCONFIRMED,
    ),
    "partner_reservations_cancel": (
        "The reservation of “Middlemarch” at Riverside Library is cancelled.",
        ELSEWHERE | {"state": "cancelled", "remote_status": "cancelled"},
    ),
    "reserve_anywhere": ("“Middlemarch” reserved for Grace Hopper, and a copy is set aside.", HELD),
    "reservations_return_book": (
        "A copy of “Middlemarch” is no longer set aside.",
        {"reservation": CANCELLED, "loan": None},
    ),
    "borrow": "Book borrowed successfully",
    "return_book": "Book returned successfully",
    "books_borrow": "Copy 1-1 lent to Ada Lovelace until 2026-03-30.",
    "admin_books_create": ("“Middlemarch” added, number 1.", BOOK | {"available": 2}),
    "admin_books_status": "“Middlemarch” is back in circulation.",
    "admin_books_remove": "“Middlemarch” withdrawn.",
    "reservations_fulfill_head": ("Copy 1-1 lent to Grace Hopper until 2026-04-08.", LOAN | {"id": 8, "member_id": 3}),
}
# What a rehearsal says that nothing speaks against.
WOULD = {
    "books_create": "add",
    "admin_books_create": "add",
    "copies_create": "add",
    "members_create": "enrol",
    "enrol": "enrol",
    "imports_create": "import",
    "exports_create": "export",
    "anonymisations_create": "anonymise",
}


def add_examples(described: dict[str, Any], schemas: dict[str, Any], *, is_read: bool) -> None:
    """Shows the successful answers of one operation, those that can be made of what stands above."""
    for status, response in described["responses"].items():
        media = response.get("content", {}).get("application/json")
        if media is None or status >= "300":
            continue
        envelope = schemas.get(_name(media["schema"]), media["schema"])
        if "data" not in envelope["properties"]:  # it comes without one
            with suppress(LookupError):
                media["examples"] = {"Done": {"value": _made(media["schema"], schemas)}}
            continue
        data = envelope["properties"]["data"]
        for kind in schemas.get(_name(data), {}).get("oneOf", [data]):
            with suppress(LookupError):
                if _name(kind) == "Rehearsal":
                    name, (message, value) = "Rehearsal", _rehearsed(described)
                else:
                    name, (message, value) = "Done", _done(described["operationId"], status, kind, schemas, is_read)
                answer = {"success": True, "message": message, "data": value}
                media.setdefault("examples", {})[name] = {"value": answer}


def _done(operation: str, status: str, kind: Any, schemas: dict[str, Any], is_read: bool) -> tuple[str, Any]:
    default = {operation: ""} if is_read else {}
    said = (default | SAID).get(f"{operation} {status}") or (default | SAID)[operation]
    return said if isinstance(said, tuple) else (said, _made(kind, schemas))


def _rehearsed(described: dict[str, Any]) -> tuple[str, Any]:
    """Refused for the first reason that there can be; if there can be none, as it would be done."""
    errors = [response for status, response in described["responses"].items() if status in ("409", "422")]
    for code in (code for error in errors for code in error["content"]["application/json"]["examples"]):
        details = EXAMPLES[code][2] or {}
        if "refusals" in details:
            return "This would be refused.", {"would": "refuse", **details}
    return "This would succeed.", {"would": WOULD[described["operationId"]], "refusals": []}


def _made(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """An example of what this describes. Raises LookupError when there is none."""
    if name := _name(schema):
        return DATA[name] if name in DATA else _made(schemas[name], schemas)
    if "null" in schema["type"]:
        return None
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [_made(schema["items"], schemas)]
    return {name: _made(part, schemas) for name, part in schema["properties"].items() if name in schema["required"]}


def _name(schema: dict[str, Any]) -> str:
    """The name of the component that this refers to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]
