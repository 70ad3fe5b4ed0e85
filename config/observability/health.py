"""Whether the service and what it stands on are there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError


def live(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """The desk can work: 503 without its database. The cache is not needed for that."""
    database = _probe(_ask_database)
    return JsonResponse({"status": database["status"]}, status=200 if database["status"] == "ok" else 503)


def everything(request: HttpRequest) -> JsonResponse:
    """Each part with its latency in milliseconds. 503 when the desk cannot work, `degraded` without its cache."""
    parts = {"database": _probe(_ask_database), "cache": _probe(_ask_cache)}
    if parts["database"]["status"] != "ok":
        return JsonResponse({"status": "unavailable", "parts": parts}, status=503)
    status = "ok" if parts["cache"]["status"] == "ok" else "degraded"
    return JsonResponse({"status": status, "parts": parts})


def _probe(ask: Callable[[], None]) -> dict[str, Any]:
    begun = time.perf_counter()
    try:
        ask()
    except (DatabaseError, RedisError, ConnectionInterrupted, OSError):
        status = "unavailable"
    else:
        status = "ok"
    return {"status": status, "latency_ms": round((time.perf_counter() - begun) * 1000, 1)}


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_cache() -> None:
    cache.get("health")
