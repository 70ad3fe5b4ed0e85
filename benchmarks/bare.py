"""The floor of reading: a Django project of one view and no middleware, served like the service itself."""

import os

from django.http import HttpRequest, HttpResponse
from django.urls import path

DEBUG = False
SECRET_KEY = "not a secret: nothing here is signed"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = __name__
USE_TZ = True

# The answer of the service, so that both send as many bytes.
BODY = os.environ.get("BARE_BODY", "{}").encode()


def constant(request: HttpRequest, book_id: int) -> HttpResponse:
    # The length as CommonMiddleware would add it: without, the server sends chunks.
    return HttpResponse(BODY, content_type="application/json", headers={"Content-Length": str(len(BODY))})


def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("health/live", live), path("api/books/<int:book_id>/availability/", constant)]
