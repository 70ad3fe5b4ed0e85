"""By whatever name those who watch over the service know a process of it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

WATCHED = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})


class ByAnyNameMiddleware:
    """Scrapers and probes ask each process by its own address. ALLOWED_HOSTS keeps foreign names out of what links are
    made of, and in these answers there are none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in WATCHED:
            request.get_host = _nobody  # type: ignore[method-assign]
        return self.get_response(request)


def _nobody() -> str:
    return "localhost"
