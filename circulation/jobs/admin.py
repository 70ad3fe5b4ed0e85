"""Jobs in the admin: how far they are, what came of them. They are asked for over the API."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from circulation.jobs import services
from circulation.jobs.models import Job, JobChunk, JobFile
from events.admin import ReadOnlyAdmin
from library.exceptions import InvalidTransition


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "state", "progress", "refused", "asked_by", "created_at", "ended_at"]
    list_filter = ["state", "kind", "created_at"]
    list_select_related = ["asked_by"]
    fields = [
        "kind", "state", "progress", "options", "asked_by", "created_at", "started_at", "ended_at", "message", "result",
        "refused", "notes_line_by_line", "to_fetch", "cancel_asked_at", "attempts", "held_until",
    ]  # fmt: skip
    actions: Any = ["cancel"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """As over the API: librarians see what they asked for."""
        user: Any = request.user
        return services.visible(user=user, caller="", is_admin=user.is_superuser, is_key=False).order_by("-pk")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["progress", "notes_line_by_line", "to_fetch"]

    @admin.display(description=_("Rows done"))
    def progress(self, job: Job) -> str:
        return (
            gettext("%(done)s of %(total)s") % {"done": f"{job.done:,}", "total": f"{job.total:,}"} if job.total else ""
        )

    @admin.display(description=_("Notes"))
    def notes_line_by_line(self, job: Job) -> str:
        return format_html_join("", "{}<br>", ((note,) for note in job.notes))

    @admin.display(description=_("Files"))
    def to_fetch(self, job: Job) -> str:
        there = {"result": job.has_result, "errors": job.is_over and job.files.filter(role="refused").exists()}
        links = [
            format_html('<a href="/api/jobs/{}/{}/">{}</a>', job.pk, name, label)
            for name, label in (("result", gettext("What was exported")), ("errors", gettext("The refused rows")))
            if there[name]
        ]
        return format_html_join(" · ", "{}", ((link,) for link in links))

    @admin.action(description=_("Cancel the chosen jobs"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Job]) -> None:
        cancelled = 0
        for job_id in chosen.values_list("pk", flat=True):
            try:
                services.cancel(job_id=job_id, within=self.get_queryset(request), at=timezone.now())
                cancelled += 1
            except InvalidTransition:
                continue
        told = gettext("%(count)s cancelled. What is under way ends with its batch; what went in stays.")
        self.message_user(request, told % {"count": cancelled})

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("circulation.change_job")


class OfAdmins(ReadOnlyAdmin):
    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))


@admin.register(JobFile)
class JobFileAdmin(OfAdmins):
    list_display = ["id", "job", "role", "name", "size"]
    list_filter = ["role"]
    list_select_related = ["job"]


@admin.register(JobChunk)
class JobChunkAdmin(OfAdmins):
    """Parts of files. What is in them is not shown here."""

    list_display = ["id", "file", "number"]
    list_select_related = ["file"]
    fields = ["file", "number"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).defer("data")
        return rows
