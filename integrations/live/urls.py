"""The route of live availability, at the web server."""

from django.urls import path

from integrations.live import views

urlpatterns = [path("api/books/<id:book_id>/availability/stream/", views.AvailabilityStream.as_view())]
