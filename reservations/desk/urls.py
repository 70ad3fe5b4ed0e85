"""The page of a title's line."""

from django.urls import path

from reservations.desk import views

app_name = "line"
urlpatterns = [path("reservations/line/<int:book_id>/", views.line, name="line")]
