"""The page of the desk, below /admin/."""

from django.contrib import admin
from django.urls import path

from circulation.desk.views import desk

urlpatterns = [path("desk/", admin.site.admin_view(desk), name="desk")]
