"""The page of what is overdue."""

from django.urls import path

from integrations.notifications.overdue import views

app_name = "overdue"
urlpatterns = [path("overdue/", views.overdue, name="list")]
