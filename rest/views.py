"""What all views of the API do alike."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.exceptions import AuthenticationFailed, ValidationError
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
    is_bare: ClassVar[bool] = False  # its successful answers come without the envelope
    is_streamed: ClassVar[bool] = False  # what is sent to it may be large, and is never in memory as a whole

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Who asks is known by any of these: a cache between may not give one's answer to another."""
        return {"Allow": ", ".join(self.allowed_methods), "Vary": "Accept, Authorization, X-API-Key, Cookie"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in ("POST", "PUT", "PATCH") and not self.is_streamed:  # whoever reads need not be waited for
            _ = request._request.body  # the size limit speaks before anything is parsed

    def perform_authentication(self, request: Request) -> None:
        """Whoever presents what is no credential is counted as well: guessing must not be free."""
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            super().check_throttles(request)
            raise

    def check_permissions(self, request: Request) -> None:
        """Counts first, so that those are counted who are then refused."""
        super().check_throttles(request)
        super().check_permissions(request)

    def check_throttles(self, request: Request) -> None:
        """Done before the permissions."""

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

    @property
    def is_dry_run(self) -> bool:
        """Whether `?dry_run=true`. Raises ValidationError for anything but true and false."""
        value = self.request.query_params.get("dry_run", "false")
        if value not in ("true", "false"):
            raise ValidationError({"dry_run": ["Write true or false."]})
        return value == "true"

    def require_earnest(self) -> None:
        """What cannot be rehearsed must not be done in earnest for somebody who asked for a rehearsal."""
        if self.is_dry_run:
            raise ValidationError({"dry_run": ["This cannot be rehearsed."]})

    def expected_revision(self) -> str | None:
        """The catalogue revision that `If-Match` names, None when any will do."""
        header = self.request.headers.get("If-Match")
        if header is None or header.strip() == "*":
            return None
        return header.strip().removeprefix("W/").strip('"').partition(".")[0]
