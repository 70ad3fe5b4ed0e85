"""The explorers of the API. They load nothing from anywhere else, and browsers see to that."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class Schema(SpectacularAPIView):
    """The document, made once: it is the same for everybody, and takes a third of a second."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer: Any = request.accepted_renderer
        kind: Any = type(renderer)
        headers = {"Content-Disposition": f'inline; filename="Circdesk.{renderer.format}"'}
        return HttpResponse(_document(kind), content_type=renderer.media_type, headers=headers)


@cache
def _document(renderer: Any) -> bytes:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return bytes(renderer().render(document, renderer_context={}))


class ExplorerView(APIView):
    """Both write their own scripts and styles into the page."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        own = "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; worker-src blob:"
        final["Content-Security-Policy"] = f"{settings.CONTENT_SECURITY_POLICY}; {own}"
        return final


class SwaggerUI(ExplorerView, SpectacularSwaggerView):
    """Where the API can be tried."""


class ReDoc(ExplorerView, SpectacularRedocView):
    """Where the API can be read."""

    template_name = "redoc.html"
