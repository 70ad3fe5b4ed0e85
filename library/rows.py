"""Objects of the columns of a statement that asks for several at once."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model

M = TypeVar("M", bound=Model)


def columns(**names_of: list[str]) -> str:
    """These columns of these tables, one after the other, for a SELECT."""
    return ", ".join(f"{table}.{name}" for table, names in names_of.items() for name in names)


def taken(model: type[M], names: list[str], values: list[Any]) -> M:
    """One of these, of the first of the values, which are used up."""
    own = values[: len(names)]
    del values[: len(names)]
    return model.from_db("default", names, own)
