"""The WSGI application that the web server runs."""

import os
from io import BytesIO
from threading import BoundedSemaphore
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http.response import HttpResponseBase
from django.utils.http import parse_header_parameters


class Utf8Request(WSGIRequest):
    """A request in UTF-8, whatever its Content-Type.

    Django would take the `charset` for the query string too, even a codec that yields no text, and would fail on a
    Content-Type that it cannot read before anything could answer.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.content_type, self.content_params = "", {}


# Of the threads of a process so many answer at a time. Eight take turns so often that a short request costs a fifth
# more CPU, and check-outs are no faster for it.
TURNS = 4
_turn = BoundedSemaphore(TURNS)


class Handler(WSGIHandler):
    """Waits for a body before it takes one of the turns, so that a few slow clients do not stop the others."""

    request_class = Utf8Request

    def __call__(self, environ: dict[str, Any], start_response: Any) -> HttpResponseBase:
        length = environ.get("CONTENT_LENGTH") or ""
        if length.isdecimal() and 0 < int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(int(length)))
        with _turn:
            return super().__call__(environ, start_response)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)
application = Handler()
