"""Routes of the import page, below /admin/."""

from django.urls import path

from circulation.jobs.pages import views

urlpatterns = [
    path("import/", views.choose, name="import"),
    path("import/<id:job_id>/", views.follow, name="import-job"),
    path("import/<id:job_id>/state/", views.state, name="import-state"),
    path("import/<id:job_id>/start/", views.start, name="import-start"),
    path("import/<id:job_id>/cancel/", views.cancel, name="import-cancel"),
    path("import/<id:job_id>/reasons/", views.reasons, name="import-reasons"),
]
