"""The route of DAIA."""

from django.urls import path

from integrations.daia import views

urlpatterns = [path("daia/", views.Daia.as_view())]
