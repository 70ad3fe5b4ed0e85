"""Routes of notices, below /api/."""

from django.urls import path

from integrations.notifications.api import views

urlpatterns = [
    path("me/notices/", views.MyNotices.as_view()),
    path("members/<id:member_id>/notices/", views.MemberNotices.as_view()),
]
