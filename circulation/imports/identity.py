"""How a record of another system is recognised at the next import."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

from circulation.imports.fields import text, words
from circulation.imports.formats.rows import RowError

ALIKE = 0.5
LONGEST_SOURCE = 60
LONGEST_SOURCE_ID = 120
_FINGERPRINT = re.compile("[0-9a-f]{32}")


def identity(values: dict[str, Any], usual: str, *, instead: Iterable[object]) -> tuple[str, str]:
    """The system that a record comes from, and its id there. Raises RowError.

    A row that names no system is from the usual one; one without an id is told by a fingerprint of what describes it.
    A record that was made in another Circdesk comes from nowhere else, and is told by its id there.
    """
    if "circdesk_id" in values and "id" not in values:
        return "", ""
    source = text("source", values["source"], longest=LONGEST_SOURCE) if "source" in values else usual
    if "id" in values:
        return source, words("id", values["id"], longest=LONGEST_SOURCE_ID)
    described = "\0".join(str(part) for part in instead)
    if not described.strip("\0"):
        raise RowError("There is nothing in this row to recognise it by.")
    return source, hashlib.sha256(described.encode("utf-8", "replace")).hexdigest()[:32]


def alike(one: str, other: str) -> bool:
    """Whether two titles, or two names, may be the same one, mended. “Ema” and “Emma” may, “Emma” and “Dracula” not."""
    return SequenceMatcher(None, one.casefold(), other.casefold(), autojunk=False).ratio() > ALIKE


def shown_id(source_id: str) -> str:
    """The id of a record for a message; a fingerprint tells nobody anything."""
    return "" if _FINGERPRINT.fullmatch(source_id) else f" ({source_id})"
