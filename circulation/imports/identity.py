"""How a record of another system is recognised at the next import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from circulation.imports.fields import text, words
from circulation.imports.rows import RowError

LONGEST_SOURCE = 60
LONGEST_SOURCE_ID = 120


def source_of(values: dict[str, Any], usual: str) -> str:
    """The system that a row names, else the one that the import is told. Raises RowError."""
    return text("source", values["source"], longest=LONGEST_SOURCE) if "source" in values else usual


def id_there(values: dict[str, Any], *, instead: Iterable[object]) -> str:
    """The id of a record in its system. Without one, a fingerprint of what describes it. Raises RowError."""
    if "source_id" in values:
        return words("id", values["source_id"], longest=LONGEST_SOURCE_ID)
    described = "\0".join(str(part) for part in instead)
    if not described.strip("\0"):
        raise RowError("There is nothing in this row to recognise it by.")
    return hashlib.sha256(described.encode("utf-8", "replace")).hexdigest()[:32]
