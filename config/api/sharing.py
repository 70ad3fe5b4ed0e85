"""What recurs in the OpenAPI document, named once and then referred to: it would be three times as long otherwise."""

from __future__ import annotations

from collections import defaultdict
from typing import Any


def parameters_of(operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Those that several operations have and all describe alike, by name. In their places, references."""
    variants: dict[str, list[Any]] = defaultdict(list)
    for described in operations:
        for parameter in described.get("parameters", []):
            variants[parameter["name"]].append(parameter)
    shared = {name: found[0] for name, found in variants.items() if len(found) > 1 and found[1:] == found[:-1]}
    for described in operations:
        if "parameters" in described:
            described["parameters"] = [
                _reference("parameters", parameter["name"]) if parameter["name"] in shared else parameter
                for parameter in described["parameters"]
            ]
    return dict(sorted(shared.items()))


def errors_of(operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors that several operations answer, by their codes. In their places, references."""
    variants: dict[str, list[Any]] = defaultdict(list)
    for described in operations:
        for status, response in described["responses"].items():
            if status >= "400":
                variants[_name(response)].append(response)
    shared = {name: found[0] for name, found in variants.items() if len(found) > 1}
    for described in operations:
        described["responses"] = {
            status: _reference("responses", _name(response))
            if status >= "400" and _name(response) in shared
            else response
            for status, response in described["responses"].items()
        }
    return dict(sorted(shared.items()))


def _name(response: dict[str, Any]) -> str:
    """The codes of an error, and whether it may be kept: of this, all that is said of an error follows."""
    codes = response["content"]["application/json"]["examples"]
    return ".".join([*codes, *(["no-store"] if "Cache-Control" in response["headers"] else [])])


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
