"""What no log line, trace or report tells: secrets, and who people are.

By the name that a value has, and by how it looks where it stands in a sentence. Names of people look like any other
words, so nothing of ours writes them into a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

HIDDEN = "[redacted]"
DEEP = 12  # levels of what is in one another; more is not told
LONG = 50_000  # characters of one text; more is not told

_NAMES = re.compile(
    r"passw|passphrase|secret|token|authori[sz]ation|credential|cookie|session_?id|csrf|dsn$|digest|signature"
    r"|api_?key|private_?key|signing_?key|e_?mail|card_?num|cardholder|(first|last|full|given|family|sur|user|member|reader)_?name"
    r"|^(access|refresh|name|card|phone|address|remote_addr|x_forwarded_for|forwarded|x_real_ip|ip_address)$"
)

# Whatever is to be hidden has one of these in it. Most texts have none, and are not looked at any closer.
_SUSPECT = re.compile(
    r"[@=]|eyJ|cdk_|whsec_|C\d{8}|contains \(|earer|asic |assw|ecret|oken|ookie|uthori|api.?key", re.I
)

_ENDS = r"\s<>\"'(){}\[\],;:="  # words, of those that are looked at


def _without_name(url: str) -> str:
    """From its :// to its end, read once: a text of many :// without an @ would be read to its end for each."""
    at = url.rfind("@")
    return url if at < 0 else f"://{HIDDEN}{url[at:]}"


# None may read a part of the text again for each place at which it could begin: a Host header that is refused is
# logged, its words are the caller's, and others who log wait meanwhile.
_PATTERNS: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    # Name and password of a URL, up to its last @.
    (re.compile(r"://[^\s\"'<>]++"), lambda url: _without_name(url[0])),
    # What follows a ? in a URL: only which parameters there are.
    (re.compile(r"(?<=[?&])([\w.~%\[\]-]+)=[^&\s\"'<>]*"), rf"\1={HIDDEN}"),
    # Rows and values of which PostgreSQL complains.
    (re.compile(r"(\)=|row contains )\(([^\n]*\)|[^\n]*)"), rf"\1({HIDDEN})"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{4,}", re.I), rf"\1 {HIDDEN}"),
    # Name and value, such as password=..., "token": "...", Cookie: a=b; c=d.
    (
        re.compile(r"((?:set-)?cookie|(?:proxy-)?authorization)([\"']?\s*[:=]\s*+)(?!\[redacted)[^\n]+", re.I),
        rf"\1\2{HIDDEN}",
    ),
    (
        re.compile(
            r"(?<![\w-])([\w-]*(?:passw(?:or)?d|passphrase|secret(?:[_-]?key)?|token|api[_-]?key|session_?id|csrf\w{0,20})[\"']?\s*[:=]\s*+)"
            r"(?!\[redacted)(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&)}\]]+)",
            re.I,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"eyJ[\w-]{5,}(\.[\w-]*)*"), HIDDEN),  # a JWT, or a part of one
    (re.compile(r"cdk_[\w-]{4,}"), HIDDEN),  # accounts/keys.py
    (re.compile(r"whsec_[\w+/=-]{4,}"), HIDDEN),  # integrations/webhooks/signing.py
    # An address for mail. It begins where a word does, or a long text without any would be read again and again.
    (re.compile(rf"(?<![^{_ENDS}@])[^{_ENDS}@]+@[^{_ENDS}@/]+"), HIDDEN),
    (re.compile(r"\bC\d{8}\b"), HIDDEN),  # a card that the service numbered
]


def text(said: str) -> str:
    """The text without what may not be told."""
    if len(said) > LONG:
        said = f"{said[:LONG]}…"
    if not _SUSPECT.search(said):
        return said
    for pattern, instead in _PATTERNS:
        said = pattern.sub(instead, said)
    return said


@lru_cache(2048)
def is_secret(name: str) -> bool:
    """Whether what has this name may not be told, whatever it is."""
    return _NAMES.search(name.lower().replace("-", "_")) is not None


def value(found: Any, depth: int = 0) -> Any:
    """The same, as deep as it goes. What is neither text nor a number is told as text."""
    if isinstance(found, str):
        return text(found)
    if found is None or isinstance(found, bool | int | float):
        return found
    if depth > DEEP:
        return HIDDEN
    if isinstance(found, Mapping):
        return {
            _key(key): HIDDEN if inner and isinstance(key, str) and is_secret(key) else value(inner, depth + 1)
            for key, inner in found.items()
        }
    if isinstance(found, list | tuple | set | frozenset):
        return _values(found, depth)
    return text(found.decode(errors="replace") if isinstance(found, bytes) else repr(found))


def _values(found: Iterable[Any], depth: int) -> list[Any]:
    found = list(found)
    if len(found) == 2 and isinstance(found[0], str) and is_secret(found[0]):  # as headers are listed
        return [found[0], HIDDEN]
    return [value(inner, depth + 1) for inner in found]


def _key(key: Any) -> Any:
    return text(key) if isinstance(key, str) else key if isinstance(key, int) else text(repr(key))


# Made by us, from nothing that anybody sent.
_OURS = {"time", "level", "logger", "status", "duration_ms", "queries", "user", "key", "method", "route", "refusal"}


def processor(logger: Any, method: str, said: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For structlog. A trace has the names of functions and files in it, and only its sentences are looked at."""
    for name, found in said.items():
        if type(found) is str:
            if name not in _OURS:
                said[name] = HIDDEN if is_secret(name) else text(found)
        elif name == "exception":
            said[name] = [sentences(each) for each in found]
        elif name not in _OURS and name[:1] != "_" and found is not None:
            said[name] = HIDDEN if is_secret(name) else value(found)
    return said


def sentences(found: Any) -> Any:
    """The same, by how values look and not by their names."""
    if isinstance(found, str):
        return text(found)
    if isinstance(found, list):
        return [sentences(each) for each in found]
    return {name: sentences(inner) for name, inner in found.items()} if isinstance(found, dict) else found
