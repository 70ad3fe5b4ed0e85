"""Routes of long work, below /api/."""

from django.urls import path

from circulation.jobs.api import asking, views

urlpatterns = [
    path("imports/", asking.Imports.as_view()),
    path("exports/", asking.Exports.as_view()),
    path("anonymisations/", asking.Anonymisations.as_view()),
    path("jobs/", views.JobList.as_view()),
    path("jobs/<id:job_id>/", views.JobDetail.as_view()),
    path("jobs/<id:job_id>/cancel/", views.JobCancel.as_view()),
    path("jobs/<id:job_id>/result/", views.JobResult.as_view()),
    path("jobs/<id:job_id>/errors/", views.JobErrors.as_view()),
]
