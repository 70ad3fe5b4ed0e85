"""The explorers of the API. They load nothing from anywhere else, and browsers see to that."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerView

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
