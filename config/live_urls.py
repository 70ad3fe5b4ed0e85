"""Every URL of the process where one listens to availability."""

from django.urls import path, re_path

from config import urls
from config.api import errors
from config.observability import health
from integrations.live.views import Listen

urlpatterns = [
    path("api/books/<id:book_id>/availability/stream/", Listen.as_view()),
    path("health/live", health.live),
    re_path("", errors.not_found),
]

handler400, handler404, handler500 = urls.handler400, urls.handler404, urls.handler500
