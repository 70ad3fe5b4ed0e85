"""Where things are, for whoever opens /api/ in a browser or with curl."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from rest.answers import Answer
from rest.schema import endpoint
from rest.views import DeskView

PLACES = {
    "books": "/api/books/",
    "branches": "/api/branches/",
    "me": "/api/me/",
    "register": "/api/register/",
    "sign_in": "/api/token/",
    "keys": "/api/keys/",
    "members": "/api/members/",
    "loans": "/api/loans/",
    "reservations": "/api/reservations/",
    "checkout": "/api/circulation/checkout/",
    "return": "/api/circulation/return/",
    "renew": "/api/circulation/renew/",
    "scan": "/api/circulation/scan/",
    "undo": "/api/circulation/undo/",
    "batch": "/api/circulation/batch/",
    "events": "/api/circulation/events/",
    "statistics": "/api/statistics/",
    "imports": "/api/imports/",
    "exports": "/api/exports/",
    "jobs": "/api/jobs/",
    "webhooks": "/api/webhooks/",
    "schema": "/api/schema/",
    "docs": "/api/docs/",
    "redoc": "/api/redoc/",
}


class PlacesOut(serializers.Serializer[Any]):
    """A URL for each name."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.URLField() for name in PLACES}


class Index(DeskView):
    tag = "catalogue"

    @endpoint(name="index", summary="Where things are", answers={200: PlacesOut})
    def get(self, request: Request) -> Answer:
        return Answer({name: request.build_absolute_uri(path) for name, path in PLACES.items()}, "This is Circdesk.")
