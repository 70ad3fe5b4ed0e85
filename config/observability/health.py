"""Whether the service and what it stands on are there."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from config.observability import parts
from config.observability.probes import OK, UNAVAILABLE


def live(request: HttpRequest) -> JsonResponse:
    """The process answers. Nothing else is asked: a database that is away is no reason to begin it anew."""
    return JsonResponse({"status": OK})


def ready(request: HttpRequest) -> JsonResponse:
    """The desk can work: 503 without its database and the tables in it. Nothing else is needed for that.

    A process that is told to end takes no more connections, so that there is no answer for whoever asks it then.
    """
    status = parts.database().status
    return JsonResponse({"status": status}, status=200 if status == OK else 503)


def everything(request: HttpRequest) -> JsonResponse:
    """Each part, with its latency in milliseconds where it is asked. 503 when the desk cannot work, else 200."""
    found = parts.all_parts()
    status = parts.status_of(found.values(), essential=found["database"])
    body = {
        "status": status,
        "service": settings.SERVICE,
        "version": settings.SPECTACULAR_SETTINGS["VERSION"],
        "parts": {name: part.as_dict() for name, part in found.items()},
    }
    return JsonResponse(body, status=503 if status == UNAVAILABLE else 200)
