"""How requests are read, whichever way they come."""

from typing import Any

from django.http import HttpRequest
from django.utils.http import parse_header_parameters


class InUtf8(HttpRequest):
    """A request in UTF-8, whatever its Content-Type.

    Django would take the `charset` for the query string too, even a codec that yields no text, and would fail on a
    Content-Type that it cannot read before anything could answer.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except ValueError:
            self.content_type, self.content_params = "", {}
