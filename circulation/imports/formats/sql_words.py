"""By which words a file is known to be SQL."""

import re

# What dumps contain besides rows, and an import can do without.
IGNORED = re.compile("ALTER|ANALYZE|BEGIN|COMMENT|COMMIT|CREATE|END|GO|LOCK|PRAGMA|SET|START|UNLOCK|USE|VACUUM")
# What else a file of statements may begin with.
OTHER = re.compile(
    "CALL|COPY|DELETE|DO|DROP|EXEC|EXECUTE|EXPLAIN|GRANT|INSERT|MERGE|REPLACE|REVOKE|ROLLBACK|SELECT|TRUNCATE|UPDATE|WITH"
)
_BEGINNING = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*(\w+)", re.DOTALL)


def recognises(text: str) -> bool:
    """Whether the first word, after comments, begins an SQL statement."""
    begins = _BEGINNING.match(text)
    if begins is None:
        return False
    if text[begins.end() : begins.end() + 1] in set(',\t|"'):
        return False  # the names of columns
    word = begins[1].upper()
    return bool(IGNORED.fullmatch(word) or OTHER.fullmatch(word))
