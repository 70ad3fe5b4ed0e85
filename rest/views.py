"""What all views of the API do alike."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from rest.answers import Answer
from rest.rendering import ProblemRenderer
from rest.serializers import valid


class DeskView(APIView):
    """A resource or an action of the API."""

    tag: ClassVar[str]  # its section of the API description

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Who asks is known by a cookie: a cache between may not give one's answer to another."""
        return {"Allow": ", ".join(self.allowed_methods), "Vary": "Accept, Cookie"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _ = request._request.body  # the size limit speaks before anything is parsed

    def get_authenticate_header(self, request: Request) -> str:
        """The challenge of a 401. Without one, as for cookies, the framework would answer 403 instead."""
        return super().get_authenticate_header(request) or "Cookie"

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        """Which methods there are here."""
        return Answer({"methods": self.allowed_methods}, headers={"Allow": ", ".join(self.allowed_methods)})

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(final, Answer) and isinstance(final.accepted_renderer, ProblemRenderer):
            final.content_type = "application/json"  # only errors are problems
        return final

    def parsed(self, serializer: type[Serializer[Any]], **kwargs: Any) -> dict[str, Any]:
        """The body, valid, as a dict. Raises ValidationError."""
        return valid(serializer, self.request.data, **kwargs)

    def query(self, serializer: type[Serializer[Any]]) -> dict[str, Any]:
        """The query parameters that the serializer knows, valid. Raises ValidationError."""
        return valid(serializer, self.request.query_params.dict())

    def expected_revision(self) -> str | None:
        """The catalogue revision that `If-Match` names, None when any will do."""
        header = self.request.headers.get("If-Match")
        if header is None or header.strip() == "*":
            return None
        return header.strip().removeprefix("W/").strip('"').partition(".")[0]
