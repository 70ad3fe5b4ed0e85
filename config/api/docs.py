"""The explorers of the API. They load nothing from anywhere else, and browsers see to that."""

from typing import Any

from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src blob:"
)


class ExplorerView(APIView):
    permission_classes = ()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final["Content-Security-Policy"] = POLICY
        return final


class SwaggerUI(ExplorerView, SpectacularSwaggerView):
    """Where the API can be tried."""


class ReDoc(ExplorerView, SpectacularRedocView):
    """Where the API can be read."""

    template_name = "redoc.html"
