"""Errors, and the headers of all answers, as DAIA writes them. Asked for by config/api for this one address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

PATH = "/daia/"
CONTENT_TYPE = "application/json; charset=utf-8"
# Pages of any site may read these answers: they are public, and with `*` a browser takes no cookies along.
HEADERS = {"X-DAIA-Version": "1.0.0", "Access-Control-Allow-Origin": "*", "Content-Language": "en"}
# The words that DAIA has for each status. It has none for a caller who asks too often.
_WORDS = {
    401: "invalid_grant",
    403: "insufficient_scope",
    429: "too_many_requests",
    500: "internal_error",
    503: "service_unavailable",
}


def is_daia(path: str) -> bool:
    """Whether this is the address of DAIA. The admin's one of two services has none."""
    return path == PATH and settings.SERVICE != "admin"


def error(status: int, message: str) -> dict[str, Any]:
    """An error response."""
    return {"error": _WORDS.get(status, "invalid_request"), "code": status, "error_description": message}


class DaiaHeadersMiddleware:
    """Adds the headers to every answer of the address, also to those that no view gave."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if is_daia(request.path_info):
            for name, value in HEADERS.items():
                response[name] = value
        return response
