"""Routes of registration, below /api/."""

from django.urls import path

from library.api import registration

urlpatterns = [
    path("register/", registration.Register.as_view()),
    path("users/", registration.Enrol.as_view()),
]
