"""Keyset pages: a deep one costs what the first one costs; nothing is skipped or repeated while rows come and go."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NoReturn, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Expression, F, Field, Func, Model, QuerySet, Value
from django.db.models.lookups import GreaterThan, LessThan
from django.utils.timezone import is_naive
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from rest.planning import planned_for_its_values

M = TypeVar("M", bound=Model)

LIMIT, MAX_LIMIT = 25, 200
COUNT_STOPS_AT = 10_001

Orderings = Mapping[str, F | Expression]


@dataclass(frozen=True)
class Page(Generic[M]):
    """Some rows of a list, and where the neighbouring pages begin."""

    rows: list[M]
    next: str | None
    previous: str | None
    count: int | None = None


@dataclass(frozen=True)
class PageRequest:
    """What a client may ask of any list: `limit`, `ordering`, `cursor` and `count`."""

    limit: int
    ordering: str
    cursor: str | None
    count: bool

    @classmethod
    def of(cls, request: Request, orderings: Orderings, default: str) -> PageRequest:
        """Read the query. Raises ValidationError for what is not on offer."""
        query = request.query_params
        ordering = query.get("ordering", default)
        if ordering.removeprefix("-") not in orderings:
            _refuse("ordering", f"Order by one of {', '.join(sorted(orderings))}, with - before it to reverse.")
        limit = query.get("limit", str(LIMIT))
        if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MAX_LIMIT):
            _refuse("limit", f"Write a whole number from 1 to {MAX_LIMIT}.")
        count = query.get("count", "false")
        if count not in ("true", "false"):
            _refuse("count", "Write true or false.")
        return cls(int(limit), ordering, query.get("cursor"), count == "true")


def paginate(rows: QuerySet[M], asked: PageRequest, orderings: Orderings) -> Page[M]:
    """One page of the rows. `orderings` maps each name on offer to an expression that is never NULL."""
    name = asked.ordering.removeprefix("-")
    descending = asked.ordering.startswith("-")
    rows = rows.alias(_key=orderings[name]).annotate(_key=F("_key"))
    backward, after = False, None
    if asked.cursor is not None:
        backward, after = _decode(asked.cursor, asked.ordering)
    falling = descending != backward
    found = rows.order_by("-_key" if falling else "_key", "-pk" if falling else "pk")
    if after is not None:
        key, pk = _read(after[0], rows.query.annotations["_key"].output_field), after[1]
        # Compared as one value, so that the index begins exactly where the other page ended.
        this, last = _row(F("_key"), F("pk")), _row(Value(key), Value(pk))
        found = found.filter(LessThan(this, last) if falling else GreaterThan(this, last))
    with planned_for_its_values():
        window = list(found[: asked.limit + 1])
        count = rows.order_by()[:COUNT_STOPS_AT].count() if asked.count else None
    more = len(window) > asked.limit
    window = window[: asked.limit]
    if backward:
        window.reverse()
    has_next = bool(window) and (more if not backward else True)
    has_previous = bool(window) and (more if backward else after is not None)
    return Page(
        rows=window,
        next=_encode(asked.ordering, False, window[-1]) if has_next else None,
        previous=_encode(asked.ordering, True, window[0]) if has_previous else None,
        count=count,
    )


def page_data(
    request: Request, following: str | None, previous: str | None, count: int | None, results: list[Any]
) -> dict[str, Any]:
    """`{"results", "next", "previous"}`, and `count` if it was asked for."""
    data = {"results": results, "next": _url(request, following), "previous": _url(request, previous)}
    return data if count is None else data | {"count": count}


def _url(request: Request, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    query = [(name, value) for name, values in request.query_params.lists() for value in values if name != "cursor"]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*query, ('cursor', cursor)])}")


def _encode(ordering: str, backward: bool, row: Model) -> str:
    key = row._key  # type: ignore[attr-defined]  # annotated by paginate
    text = json.dumps([ordering, backward, key if isinstance(key, int | str) else key.isoformat(), row.pk])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, ordering: str) -> tuple[bool, tuple[int | str, int]]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of, backward, key, pk = json.loads(text)
        if isinstance(key, str):
            key.encode()  # a lone surrogate is no text
    except (ValueError, RecursionError, TypeError):
        _bad_cursor()
    is_text = isinstance(key, str) and "\0" not in key
    if of != ordering or type(backward) is not bool or not _is_whole(pk) or not (is_text or _is_whole(key)):
        _bad_cursor()
    return backward, (key, pk)


def _row(*parts: Expression | F) -> Func:
    return Func(*parts, function="ROW", output_field=Field())


def _is_whole(number: object) -> bool:
    return type(number) is int and abs(number) < 2**63


def _read(key: int | str, field: Field[Any, Any]) -> Any:
    try:
        value = field.to_python(key)
    except (ModelValidationError, TypeError):
        _bad_cursor()
    # A number may have come as its digits, however many.
    if (isinstance(value, datetime) and is_naive(value)) or (isinstance(value, int) and not _is_whole(value)):
        _bad_cursor()
    return value


def _bad_cursor() -> NoReturn:
    _refuse("cursor", "This cursor does not belong to this list. Begin again without it.")


def _refuse(name: str, message: str) -> NoReturn:
    raise ValidationError({name: [message]}, code="invalid")
