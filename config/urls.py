"""Every URL of the service."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path, register_converter
from django.views.generic import RedirectView
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from config.api import docs, errors, index
from config.observability import health, metrics
from config.services import of_this_service
from library.api.converters import BarcodeInPath, Id

register_converter(Id, "id")
register_converter(BarcodeInPath, "barcode")

admin.site.site_header = admin.site.site_title = "Circdesk"
admin.site.index_title = "The library"
admin.site.unregister([OutstandingToken, BlacklistedToken])  # an account's page has the button that ends them

urlpatterns: list[Any] = [
    # What is asked most stands first: availability.
    path("", include("integrations.partners.api.urls")),
    path("api/", include("reservations.api.urls")),
    path("api/", include("circulation.api.urls")),
    path("api/", include("circulation.jobs.api.urls")),
    path("api/", include("library.api.urls")),
    path("api/", include("accounts.api.urls")),
    path("api/", include("integrations.webhooks.api.urls")),
    path("api/", include("integrations.notifications.api.urls")),
    path("", include("integrations.contracts.urls")),
    path("", include("integrations.daia.urls")),
    path("", include("integrations.live.urls")),
    path("", RedirectView.as_view(url="/api/docs/")),
    path("admin/", include("circulation.jobs.pages.urls")),
    path("admin/", include("reservations.desk.urls")),
    path("admin/", include("circulation.pages.urls")),
    path("admin/", include("integrations.notifications.overdue.urls")),
    # Of two services, the admin's lends nothing.
    *([path("admin/", include("circulation.desk.urls"))] if settings.SERVICE == "all" else []),
    path("admin/", admin.site.urls),
    path("health", health.everything),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", metrics.metrics),
    path("api/", index.Index.as_view()),
    path("api/schema/", docs.Schema.as_view(), name="schema"),
    path("api/docs/", docs.SwaggerUI.as_view(), name="docs"),
    path("api/redoc/", docs.ReDoc.as_view(), name="redoc"),
    re_path("^(api|reserve|status|daia)/", errors.not_found),
]
urlpatterns = of_this_service(urlpatterns)

handler400 = "config.api.errors.bad_request"
handler404 = "config.api.errors.not_found"
handler500 = "config.api.errors.server_error"
