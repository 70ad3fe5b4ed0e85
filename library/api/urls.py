"""Routes of registration and of branches, below /api/."""

from django.urls import path

from library.api import branches, registration

urlpatterns = [
    path("branches/", branches.BranchList.as_view()),
    path("register/", registration.Register.as_view()),
    path("users/", registration.Enrol.as_view()),
]
