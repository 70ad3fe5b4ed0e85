"""JSON as RFC 8259 has it, and nothing that two readers might understand differently."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

DEEPEST = 20  # levels; what we read has four


class StrictJSONParser(JSONParser):
    """Refuses repeated keys, NaN and Infinity, endless nesting, bytes that are not UTF-8, and halves of characters."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            text = stream.read().decode("utf-8")
            parsed: dict[str, Any] = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
            if text.count("[") + text.count("{") > DEEPEST and _is_deeper(parsed, DEEPEST):
                raise RecursionError
            if "\\u" in text and not _is_unicode(parsed):
                raise ValueError("half of a surrogate pair is not text")
        except RecursionError as error:
            raise ParseError("The body is not usable JSON: it is nested too deeply.") from error
        except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
            raise ParseError(f"The body is not valid JSON: {error}.") from error
        return parsed


def _is_deeper(parsed: Any, levels: int) -> bool:
    children = parsed.values() if isinstance(parsed, dict) else parsed if isinstance(parsed, list) else ()
    return levels < 0 or any(_is_deeper(child, levels - 1) for child in children)


def _is_unicode(parsed: Any) -> bool:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
