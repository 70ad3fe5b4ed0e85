"""Pages of the desk: the hold shelf, and a member at a glance."""

from django.urls import path

from circulation.pages import hold_shelf, member

app_name = "pages"
urlpatterns = [
    path("hold-shelf/", hold_shelf.page, name="hold_shelf"),
    path("members/<int:member_id>/", member.page, name="member"),
]
