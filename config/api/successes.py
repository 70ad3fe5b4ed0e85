"""Examples of successful answers: of each kind of data one, and of what is made of these the rest."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from accounts.api.tokens import ACCESS, REFRESH
from config.api.examples import EXAMPLES
from config.api.index import PLACES

BOOK = {
    "id": 1,
    "title": "Middlemarch",
    "author": "George Eliot",
    "isbn": "9780141439549",
    "publisher": "Penguin",
    "category": "fiction",
    "language": "en",
    "published_year": 1871,
    "in_circulation": True,
    "available": 1,
    "total": 2,
    "version": 184,
}
COPY = {
    "barcode": "1-1",
    "book_id": 1,
    "branch": "Main Library",
    "status": "available",
    "due_at": None,
    "holder_id": None,
}
MEMBER = {
    "id": 2,
    "name": "Ada Lovelace",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.org",
    "card_number": "C00000002",
    "category": "standard",
    "branch": "Main Library",
    "expires_on": None,
    "blocked_reason": "",
}
LOAN = {
    "id": 7,
    "book_id": 1,
    "title": "Middlemarch",
    "copy_barcode": "1-1",
    "member_id": 2,
    "lent_at": "2026-03-02T10:15:00Z",
    "due_at": "2026-03-30T23:59:59Z",
    "returned_at": None,
    "renewals": 0,
    "overdue": False,
}
RESERVATION = {
    "id": 5,
    "book_id": 1,
    "title": "Middlemarch",
    "member_id": 3,
    "status": "waiting",
    "position": 1,
    "placed_at": "2026-03-05T14:30:00Z",
    "estimated_wait_days": 25,
    "shelf_until": None,
    "needed_by": None,
    "copy_barcode": None,
    "branch": "Main Library",
}
KEY = {
    "id": 4,
    "name": "Self-check machine, entrance",
    "owner": "admin",
    "prefix": "cdk_8Kx2mQ4v",
    "scopes": ["catalogue:read", "circulation:write"],
    "created_at": "2026-03-01T09:00:00Z",
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}
WEBHOOK = {
    "id": 3,
    "url": "https://catalogue.example.org/circdesk",
    "types": ["book.borrowed", "book.returned"],
    "description": "",
    "active": True,
    "silent_because": "",
    "failing_since": None,
    "owner": "admin",
    "key_id": None,
    "created_at": "2026-03-01T09:00:00Z",
}
JOB = {
    "id": 12,
    "kind": "import_members",
    "state": "done",
    "asked_by": "grace",
    "created_at": "2026-03-02T10:15:00Z",
    "started_at": "2026-03-02T10:15:00Z",
    "ended_at": "2026-03-02T10:15:02Z",
    "progress": {"done": 377, "total": 377},
    "result": {"added": 376, "changed": 0, "unchanged": 0, "refused": 1},
    "message": "members.csv: 376 added, 0 changed, 0 unchanged, 1 refused.",
    "refused": 1,
    "notes": ["members.csv:17: 'ada.example.org' is not an e-mail address."],
    "links": {"result": None, "errors": "/api/jobs/12/errors/"},
}
QUEUED = JOB | {
    "state": "queued",
    "started_at": None,
    "ended_at": None,
    "progress": {"done": 0, "total": 0},
    "result": {},
    "message": "",
    "refused": 0,
    "notes": [],
    "links": {"result": None, "errors": None},
}
ACCEPTED = "Accepted as job 12: /api/jobs/12/ tells how far it is."
NOTICES = {
    "language": "en",
    "unwanted": ["returned"],
    "kinds": [
        "registration",
        "reserved",
        "ready",
        "expiring",
        "due_soon",
        "overdue",
        "returned",
        "renewed",
        "cancelled",
    ],
}
SECRET = "whsec_bm90aGluZyBzaWducyB3aXRoIHRoaXMgb25lIHlldCE="
BRANCH = {"branch": "Main Library", "total": 2, "available": 1}
HELD = RESERVATION | {
    "status": "ready",
    "position": 0,
    "estimated_wait_days": 0,
    "shelf_until": "2026-03-18T23:59:59Z",
    "copy_barcode": "1-1",
}
CANCELLED = RESERVATION | {"status": "cancelled", "position": None, "estimated_wait_days": None}
BORROWED = BOOK | {
    "loan_id": 7,
    "copy_barcode": "1-1",
    "lent_at": "2026-03-02T10:15:00Z",
    "due_at": "2026-03-30T23:59:59Z",
    "overdue": False,
}
# By the names of the components. What is not here is put together from what is.
DATA: dict[str, Any] = {
    "Availability": {
        "book_id": 1,
        "total": 2,
        "available": 1,
        "on_loan": 1,
        "on_hold_shelf": 0,
        "waiting": 0,
        "next_due_at": "2026-03-30T23:59:59Z",
        "estimated_wait_days": 0,
        "version": 184,
        "branches": [BRANCH],
    },
    "BatchResult": {
        "status": 200,
        "body": {"success": True, "message": "Copy 1-1 is now due on 2026-03-30.", "data": LOAN},
    },
    "Book": BOOK,
    "BorrowedBook": BORROWED,
    "Copy": COPY,
    "Delivery": {
        "id": 61,
        "webhook_id": "all-184",
        "event_id": 184,
        "type": "book.borrowed",
        "state": "delivered",
        "attempts": 1,
        "created_at": "2026-03-02T10:15:00Z",
        "next_attempt_at": None,
        "last_attempt_at": "2026-03-02T10:15:01Z",
        "status": 204,
        "answer": "",
        "error": "",
        "duration_ms": 48,
    },
    "Event": {
        "id": 184,
        "kind": "checkout",
        "occurred_at": "2026-03-02T10:15:00Z",
        "book_id": 1,
        "copy_id": 1,
        "member_id": 2,
        "loan_id": 7,
        "reservation_id": None,
        "actor_id": 1,
        "payload": {},
    },
    "Job": JOB,
    "Key": KEY,
    "Loan": LOAN,
    "Me": {"username": "ada", "email": "ada@example.org", "role": "member", "scopes": None, "member": MEMBER},
    "Member": MEMBER,
    "Moved": {"copy": COPY, "next": None},
    "NewSubscription": WEBHOOK | {"secret": SECRET},
    "Subscription": WEBHOOK,
    "NewKey": KEY | {"key": "cdk_8Kx2mQ4vT7aZ3rW9bN1cJ6yL0pE5sHgUdFiVoRtXqMk"},
    "NoticePreferences": NOTICES,
    "Pair": {"access": ACCESS, "refresh": REFRESH},
    "Places": {name: f"https://library.example.org{path}" for name, path in PLACES.items()},
    "Queue": {"book_id": 1, "version": 184, "reservations": [RESERVATION]},
    "Registered": {"username": "ada", "role": "member", "member": MEMBER},
    "Reservation": RESERVATION,
    "Returned": {
        "loan": LOAN | {"returned_at": "2026-03-11T16:40:00Z"},
        "next": {"action": "hold", "reservation": HELD},
    },
    "Statistics": {
        "as_of": "2026-03-11T17:00:00Z",
        "since": "2026-02-10T00:00:00Z",
        "days": [
            {
                "day": "2026-03-11",
                "loans": 31,
                "returns": 27,
                "open_loans": 214,
                "overdue": 9,
                "waiting": 40,
                "ready": 12,
            }
        ],
        "top_titles": [{"book_id": 1, "title": "Middlemarch", "loans": 9}],
        "longest_lines": [{"book_id": 1, "title": "Middlemarch", "waiting": 3}],
        "titles": 1200,
        "copies": 1950,
        "open_loans": 412,
        "overdue": 17,
        "waiting": 38,
        "ready": 6,
        "turnover": 0.46,
    },
    "Status": {"book_id": 1, "availability": {"Riverside Library": True, "Hillside Library": None}},
    "StatusBook": BOOK
    | {
        "status": "available",
        "expected_return_at": "2026-03-30T23:59:59Z",
        "borrowers": [{"user_id": 2, "name": "Ada Lovelace", "copy_barcode": "1-1", "due_at": "2026-03-30T23:59:59Z"}],
    },
    "UserWithBooks": {"id": 2, "name": "Ada Lovelace", "borrowed_books": [BORROWED]},
}
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
    "copies_mark_found": ("Copy 1-1 is now available.", {"copy": COPY, "next": {"action": "shelve"}}),
    "copies_mark_damaged": ("Copy 1-1 is now damaged.", {"copy": COPY | {"status": "damaged"}, "next": None}),
    "copies_repair": ("Copy 1-1 is now available.", {"copy": COPY, "next": {"action": "shelve"}}),
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
    "renew": ("Copy 1-1 is now due on 2026-04-08.", LOAN | {"due_at": "2026-04-08T23:59:59Z", "renewals": 1}),
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
