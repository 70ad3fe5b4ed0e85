"""How a record of another system is recognised at the next import."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from circulation.imports.fields import text, words
from circulation.imports.formats.rows import RowError

LONGEST_SOURCE = 60
LONGEST_SOURCE_ID = 120


def identity(values: dict[str, Any], usual: str, *, instead: Iterable[object]) -> tuple[str, str]:
    """The system that a record comes from, and its id there. Raises RowError.

    A row that names no system is from the usual one; one without an id is told by a fingerprint of what describes it.
    A record that was made in another Circdesk comes from nowhere else, and is told by its id there.
    """
    if "circdesk_id" in values and "source_id" not in values:
        return "", ""
    source = text("source", values["source"], longest=LONGEST_SOURCE) if "source" in values else usual
    if "source_id" in values:
        return source, words("id", values["source_id"], longest=LONGEST_SOURCE_ID)
    described = "\0".join(str(part) for part in instead)
    if not described.strip("\0"):
        raise RowError("There is nothing in this row to recognise it by.")
    return source, hashlib.sha256(described.encode("utf-8", "replace")).hexdigest()[:32]
