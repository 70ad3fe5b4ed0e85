"""What tables that people open in a spreadsheet must not contain."""

from typing import Any

FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def harmless(value: Any) -> Any:
    """Spreadsheets take text that begins like this for a formula, and run it."""
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(FORMULAS) else value
