"""The last touch to the OpenAPI document: every refusal written out, with its example."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from accounts.access import ACCESS, Rule
from config.api.examples import EXAMPLES

ERROR_COMPONENTS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "description": "Nothing was changed.",
        "required": ["success", "error"],
        "properties": {
            "success": {"type": "boolean", "const": False},
            "error": {
                "type": "object",
                "required": ["message", "code", "details", "status_code"],
                "properties": {
                    "message": {"type": "string", "description": "For people."},
                    "code": {"type": "string", "description": "For programs."},
                    "details": {"description": "All reasons of a refusal, the invalid fields, further facts, or null."},
                    "status_code": {"type": "integer"},
                },
            },
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
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def write_out_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular: turns each `x-refusals` into responses."""
    result["components"].setdefault("schemas", {}).update(ERROR_COMPONENTS)
    for path, methods in result["paths"].items():
        for method, described in methods.items():
            rule = RULES[path, method.upper()]
            described["security"] = _security(rule)
            described["description"] = f"{described.get('description', '')}\n\n{_who(rule)}".strip()
            codes = described.pop("x-refusals", [])
            if rule.who != "anyone":
                codes = ["NOT_AUTHENTICATED", *codes]
            by_status: dict[int, list[str]] = defaultdict(list)
            for code in codes:
                by_status[EXAMPLES[code][0]].append(code)
            for status in sorted(by_status):
                described["responses"][str(status)] = _response(status, by_status[status])
    return result


def _security(rule: Rule) -> list[dict[str, list[str]]]:
    """The credentials that will do, each by itself. A key names the scope that it must have."""
    ways: list[dict[str, list[str]]] = [{"token": []}, {"cookie": []}]
    if rule.scope != "no":
        ways.append({"key": [] if rule.scope == "any" else [rule.scope]})
    return [{}, *ways] if rule.who == "anyone" else ways


def _who(rule: Rule) -> str:
    who = f"For {WHO[rule.who]}."
    match rule.scope:
        case "any":
            return who
        case "no":
            return f"{who} Not with an API key."
    return f"{who} An API key needs the scope `{rule.scope}`."


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": {code: {"value": _error(code)} for code in codes},
            },
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    }
    return response | {"headers": RETRY_AFTER} if status in (429, 503) else response


def _error(code: str) -> dict[str, Any]:
    status, message, details = EXAMPLES[code]
    return {
        "success": False,
        "error": {"message": message, "code": code, "details": details, "status_code": status},
    }
