"""The last touch to the OpenAPI document: refusals, headers and examples written out, what recurs named once."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from accounts.access import ACCESS, Rule
from config.api import headers, sharing, successes
from config.api.examples import EXAMPLES
from integrations.daia import errors as daia
from rest.rendering import FILE

ERROR_COMPONENTS: dict[str, Any] = {
    "ErrorAnswer": {
        "type": "object",
        "description": "Nothing was changed.",
        "required": ["success", "error"],
        "properties": {
            "success": {"type": "boolean", "const": False},
            "error": {"$ref": "#/components/schemas/Error"},
        },
    },
    "Error": {
        "type": "object",
        "required": ["message", "code", "details", "status_code"],
        "properties": {
            "message": {"type": "string", "description": "For people."},
            "code": {"type": "string", "description": "For programs."},
            "details": {"description": "All reasons of a refusal, the invalid fields, further facts, or null."},
            "status_code": {"type": "integer"},
        },
    },
    "Problem": {
        "type": "object",
        "description": "The same as RFC 9457 has it, for `Accept: application/problem+json`.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string"},
            "details": {},
        },
    },
    "DaiaError": {
        "type": "object",
        "description": "An error as DAIA has it.",
        "required": ["error", "code", "error_description"],
        "properties": {
            "error": {"type": "string", "description": "For programs."},
            "code": {"type": "integer", "description": "The status."},
            "error_description": {"type": "string", "description": "For people."},
        },
    },
    "Refusal": {
        "type": "object",
        "description": "One reason of a refusal, with the facts behind it.",
        "required": ["code", "message", "overridable"],
        "properties": {
            "code": {"type": "string", "description": "For programs."},
            "message": {"type": "string", "description": "For people."},
            "overridable": {"type": "boolean", "description": "Whether staff may set it aside."},
        },
        "additionalProperties": True,
    },
}
RULES = {(re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{route}"), method): rule for (route, method), rule in ACCESS.items()}
WHO = {
    "anyone": "everybody",
    "own": "members, about themselves; for staff, about anybody",
    "account": "whoever is signed in",
    "staff": "librarians and admins",
    "named": "librarians and admins who have signed in",
    "admin": "admins",
}


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular. Turns each `x-refusals` into responses, among other things."""
    components = result["components"]
    components["schemas"] = dict(sorted({**components["schemas"], **ERROR_COMPONENTS}.items()))
    components["headers"] = headers.HEADERS
    codes: set[str] = set()
    for methods in result["webhooks"].values():
        for described in methods.values():
            described["security"] = []  # receivers check the signature
    for path, methods in result["paths"].items():
        for method, described in methods.items():
            rule = RULES[path, method.upper()]
            described["security"] = _security(rule)
            described["description"] = f"{described.get('description', '')}\n\n{_who(rule)}".strip()
            is_read = method == "get" and not _is_stream(described)
            if is_read:
                described["responses"]["304"] = {"description": "What you have, by its `If-None-Match`, still holds."}
            codes.update(_add_errors(path, described, rule))
            _add_headers(path, described, rule, is_read=is_read)
            successes.add_examples(described, components["schemas"], is_read=is_read)
    components["examples"] = _error_examples(codes)
    operations = [described for methods in result["paths"].values() for described in methods.values()]
    components["parameters"] = sharing.parameters_of(operations)
    components["responses"] = sharing.errors_of(operations)
    # Both forms are served. In documents it is usual, and some generators expect it, that no slash ends an address.
    result["paths"] = {path.rstrip("/"): methods for path, methods in result["paths"].items()}
    return result


def _is_stream(described: dict[str, Any]) -> bool:
    """Whether it answers with events, which nobody has already."""
    return "text/event-stream" in described["responses"].get("200", {}).get("content", {})


def _error_examples(codes: set[str]) -> dict[str, Any]:
    """Each error as JSON and as a problem."""
    examples = {}
    for code in sorted(codes):
        status, message, details = EXAMPLES[code]
        error = {"message": message, "code": code, "details": details, "status_code": status}
        examples[code] = {"value": {"success": False, "error": error}}
        problem = {"type": "about:blank", "title": code, "status": status, "detail": message, "code": code}
        examples[f"{code}.problem"] = {"value": problem | {"details": details}}
    return examples


def _security(rule: Rule) -> list[dict[str, list[str]]]:
    """The credentials that will do, each by itself. Who is only now to say who they are needs none."""
    if rule.who == "anyone" and rule.scope == "no":
        return []
    ways: list[dict[str, list[str]]] = [{"token": []}, {"cookie": []}]
    if rule.scope != "no":
        ways.append({"key": []})
    return [{}, *ways] if rule.who == "anyone" else ways


def _who(rule: Rule) -> str:
    who = f"For {WHO[rule.who]}."
    match rule.scope:
        case "any":
            return who
        case "no":
            return f"{who} Not with an API key."
    return f"{who} An API key needs the scope {' or '.join(f'`{scope}`' for scope in rule.scopes)}."


def _add_errors(path: str, described: dict[str, Any], rule: Rule) -> list[str]:
    """The responses that are errors. Returns the codes of those in our form."""
    codes: list[str] = described.pop("x-refusals", [])
    if rule.who != "anyone":
        codes = ["NOT_AUTHENTICATED", *codes]
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in codes:
        by_status[EXAMPLES[code][0]].append(code)
    for status in sorted(by_status):
        written = _daia_error if path == daia.PATH else _error_response
        described["responses"][str(status)] = written(by_status[status])
    return [] if path == daia.PATH else codes


def _daia_error(codes: list[str]) -> dict[str, Any]:
    examples = {f"{code}.daia": {"value": daia.error(*EXAMPLES[code][:2])} for code in codes}
    media = {"schema": {"$ref": "#/components/schemas/DaiaError"}, "examples": examples}
    word = next(iter(examples.values()))["value"]["error"]
    return {"description": f"`{word}`", "content": {"application/json": media}}


def _error_response(codes: list[str]) -> dict[str, Any]:
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorAnswer"},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in codes},
            },
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"$ref": f"#/components/examples/{code}.problem"} for code in codes},
            },
        },
    }


def _add_headers(path: str, described: dict[str, Any], rule: Rule, *, is_read: bool) -> None:
    own = described.pop("x-headers", {})
    parameters = {parameter["name"] for parameter in described.get("parameters", [])}
    for status, response in described["responses"].items():
        media = response.get("content", {})
        is_rehearsal = media.get("application/json", {}).get("schema") == {
            "$ref": "#/components/schemas/RehearsalAnswer"
        }
        names = headers.names_of(
            int(status),
            path=path,
            is_read=is_read,
            rule=rule,
            keyed="Idempotency-Key" in parameters and not is_rehearsal,
        )
        if "text/csv" in media or FILE in media:
            names.append("Content-Disposition")
        response["headers"] = headers.references([*own.get(status, []), *names])
