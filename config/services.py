"""Which routes one of two services has: those that the table of access gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, path

from accounts.access import ACCESS

Pattern = URLPattern | URLResolver


def of_this_service(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The routes that this service has, each with the methods that it has there. With one service, all."""
    return list(patterns) if settings.SERVICE == "all" else list(_chosen(patterns))


def _chosen(patterns: Iterable[Any], before: str = "") -> Iterable[Pattern]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if route == "admin/" and settings.SERVICE != "admin":
            continue
        if isinstance(pattern, URLResolver) and route != "admin/":
            yield from _chosen(pattern.url_patterns, route)
            continue
        services = {method: rule.service for (known, method), rule in ACCESS.items() if known == route}
        here = [method for method, service in services.items() if service in ("both", settings.SERVICE)]
        if here and len(here) < len(services):
            yield path(route, _with_only(here, pattern.callback), name=pattern.name)
        elif here or not services:
            yield path(route, pattern.callback, name=pattern.name) if before else pattern


def _with_only(methods: Iterable[str], view: Any) -> Any:
    """The same view, that has no other methods."""
    names = [method.lower() for method in methods] + ["head", "options"]
    restricted: Any = type(view.cls.__name__, (view.cls,), {"http_method_names": names})
    return restricted.as_view(**view.initkwargs)
