"""Periodic tasks in the admin: the package's pages, whose every change is told."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.admin import PeriodicTaskAdmin
from django_celery_beat.models import PeriodicTask

from events.admin import HistoryOfEvents

admin.site.unregister(PeriodicTask)


@admin.register(PeriodicTask)
class TaskAdmin(HistoryOfEvents, PeriodicTaskAdmin):  # type: ignore[misc]  # it has no types
    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"record_id": row.pk, "kind__startswith": "task."}

    # One after the other: rows that are written by a queryset tell nobody.

    @admin.action(description="Enable the chosen tasks", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        self._set(request, chosen, lambda task: True)

    @admin.action(description="Disable the chosen tasks", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        self._set(request, chosen, lambda task: False)

    @admin.action(
        description="Enable the chosen tasks that are disabled, and disable the others", permissions=["change"]
    )
    def toggle_tasks(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        self._set(request, chosen, lambda task: not task.enabled)

    def _set(self, request: HttpRequest, chosen: QuerySet[Any], wanted: Any) -> None:
        with transaction.atomic():
            for task in chosen.order_by("pk").select_for_update(of=("self",), no_key=True):
                task.enabled = wanted(task)
                if not task.enabled:
                    task.last_run_at = None  # or it would run at once when it is enabled again
                task.save()
        self.message_user(request, "Saved.")
