"""Periodic tasks in the admin: the package's pages, whose every change is told."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import PeriodicTaskAdmin, PeriodicTaskForm, TaskSelectWidget
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget

from events.admin import DeskAdmin, HistoryOfEvents, ModelAdmin
from events.widgets import themed

admin.site.unregister([PeriodicTask, ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule])


class TaskChoice(UnfoldAdminSelectWidget, TaskSelectWidget):  # type: ignore[misc]  # they have no types
    """The tasks that there are, as the theme draws a choice."""


class TaskForm(PeriodicTaskForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["regtask"].widget = TaskChoice()
        self.fields["task"] = themed(self.fields["task"])


@admin.register(ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule)
class ScheduleAdmin(DeskAdmin):
    """When tasks are done. Nobody looks for these pages: those of the tasks lead here."""


@admin.register(PeriodicTask)
class TaskAdmin(HistoryOfEvents, ModelAdmin, PeriodicTaskAdmin):  # type: ignore[misc]  # it has no types
    form = TaskForm
    show_full_result_count = False

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"record_id": row.pk, "kind__startswith": "task."}

    # One after the other: rows that are written by a queryset tell nobody.

    @admin.action(description=_("Enable the chosen tasks"), permissions=["change"])
    def enable_tasks(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        self._set(request, chosen, lambda task: True)

    @admin.action(description=_("Disable the chosen tasks"), permissions=["change"])
    def disable_tasks(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        self._set(request, chosen, lambda task: False)

    @admin.action(
        description=_("Enable the chosen tasks that are disabled, and disable the others"), permissions=["change"]
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
        self.message_user(request, gettext("Saved."))
