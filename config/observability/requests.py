"""What is known of each request: its number, who asked, which route, how it ended, how long it took.

The first middleware, so that every answer has its number, and whatever is logged meanwhile has it too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from random import getrandbits
from time import perf_counter
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from structlog.contextvars import bind_contextvars, reset_contextvars

from accounts.models import APIKey, User
from config.observability import metrics

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
_NUMBER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_PARAMETER = re.compile(r"([a-z][A-Za-z_]{0,49})=")  # as the API and the admin name them; anything else may be a value
SQL_SHOWN = 2_000  # characters of a statement
PARAMETERS_SHOWN = 20
# Asked every few seconds by who watches over the service.
PROBES = {"health", "health/live", "health/ready", "metrics"}


class Answered(NamedTuple):
    """One request and what became of it."""

    method: str
    route: str  # as the URLs have it, such as api/books/<id:book_id>/; empty where there is none
    status: int
    seconds: float
    queries: int
    refusal: str | None  # the code of an error


class RequestMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = perf_counter()
        number = number_of(request)
        tokens = bind_contextvars(request_id=number, route=None)
        queries = Queries(settings.SLOW_QUERY_MS / 1000)
        try:
            with connection.execute_wrapper(queries):
                response = self.get_response(request)
            response.headers[HEADER] = number
            answered = Answered(
                request.method or "",
                request.resolver_match.route if request.resolver_match else "",
                response.status_code,
                perf_counter() - begun,
                queries.count,
                getattr(request, "refusal", None),
            )
            metrics.answered(request, response, answered.seconds)
            _log(request, answered)
        finally:
            reset_contextvars(**tokens)
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> None:
        bind_contextvars(route=request.resolver_match.route if request.resolver_match else None)


def number_of(request: HttpRequest) -> str:
    """What the caller calls this request, if that is a plain name; otherwise a number that no other one has."""
    asked: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if asked and _NUMBER.fullmatch(asked):
        return asked
    # Not of uuid4, which asks the system and lets other threads go first: nobody need fail to guess it.
    return f"{getrandbits(128):032x}"  # nosec B311


class Queries:
    """Counts what a request asks the database, and names what took long there: without the values in it."""

    def __init__(self, slow: float) -> None:
        self.count = 0
        self._slow = slow  # seconds

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        begun = perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            took = perf_counter() - begun
            if took >= self._slow:
                logger.warning("Slow query: %d ms", took * 1000, extra={"sql": shown(sql), "duration_ms": _ms(took)})


def _log(request: HttpRequest, answered: Answered) -> None:
    if answered.route in PROBES:
        level = logging.DEBUG
    else:
        level = logging.WARNING if answered.seconds * 1000 >= settings.SLOW_REQUEST_MS else logging.INFO
    if not logger.isEnabledFor(level):
        return
    told: dict[str, Any] = {
        **_caller(request),
        "method": answered.method,
        "route": answered.route,
        "status": answered.status,
        "duration_ms": _ms(answered.seconds),
        "queries": answered.queries,
    }
    if answered.refusal:
        told["refusal"] = answered.refusal
    if asked := request.META.get("QUERY_STRING"):
        told["parameters"] = _parameters(asked)
    message = "Slow request: %s %s %d" if level == logging.WARNING else "%s %s %d"
    words = (answered.method, answered.route or "(no such address)", answered.status)
    # Not by `logger.log`, which walks the stack for the name of this function, of which no line tells.
    logger.handle(logger.makeRecord(logger.name, level, __file__, 0, message, words, None, "_log", told))


def _caller(request: HttpRequest) -> dict[str, int]:
    """Their account, and their key, by number. Nobody is looked up for this who was not looked up already."""
    known = request.__dict__
    user, key = known.get("_cached_user") or known.get("user"), known.get("auth")
    found = {}
    if type(user) is User:
        found["user"] = user.pk
    if type(key) is APIKey:
        found["key"] = key.pk
    return found


def _parameters(query: str) -> list[str]:
    """Their names: what was looked for may be a person, also where its & or = was not written as it ought to be."""
    return sorted({found[1] for part in query.split("&") if (found := _PARAMETER.match(part))})[:PARAMETERS_SHOWN]


def shown(sql: Any) -> str:
    """A statement is text with places for values; what was put together of parts may have values in it."""
    if not isinstance(sql, str):
        return type(sql).__name__
    return _LITERAL.sub("'?'", " ".join(sql.split()))[:SQL_SHOWN]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
