"""The explorers of the API. They load nothing from anywhere else, and browsers see to that."""

from functools import cache
from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from rest_framework.request import Request


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


# Both write their own scripts and styles into the page.
own_scripts = method_decorator(
    csp_update({"script-src": [SELF, UNSAFE_INLINE], "style-src": [SELF, UNSAFE_INLINE], "worker-src": ["blob:"]}),
    name="dispatch",
)


@own_scripts
class SwaggerUI(SpectacularSwaggerView):
    """Where the API can be tried."""


@own_scripts
class ReDoc(SpectacularRedocView):
    """Where the API can be read."""

    template_name = "redoc.html"
