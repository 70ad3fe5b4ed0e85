"""Whoever changes a periodic task, or when it runs, leaves an event. The tables are a package's, so signals tell."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_save, pre_delete, pre_save
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from events.changes import differences
from events.models import Event
from events.recording import event, record

WATCHED = (PeriodicTask, IntervalSchedule, CrontabSchedule, SolarSchedule, ClockedSchedule)
# What beat keeps there for itself.
UNTOLD = {"id", "last_run_at", "total_run_count", "date_changed", "no_changes"}


def watch() -> None:
    for model in WATCHED:
        pre_save.connect(_look, model, dispatch_uid="look before a periodic task is saved")
        post_save.connect(_saved, model, dispatch_uid="tell of a periodic task")
        pre_delete.connect(_deleted, model, dispatch_uid="tell of a periodic task that goes")


def _look(instance: Any, **_: Any) -> None:
    known = None if instance._state.adding else type(instance)._base_manager.filter(pk=instance.pk).first()
    instance._before = {} if known is None else _told(known)


def _saved(instance: Any, **_: Any) -> None:
    changes = differences(instance._before, _told(instance))
    if changes:
        _record(Event.Kind.TASK_SAVED, instance, changes=changes)


def _deleted(instance: Any, **_: Any) -> None:
    _record(Event.Kind.TASK_DELETED, instance)


def _told(row: Model) -> dict[str, Any]:
    names = [field.name for field in row._meta.concrete_fields if field.name not in UNTOLD]
    values = {name: getattr(row, name) for name in names}
    return {name: value if value is None or isinstance(value, int) else str(value) for name, value in values.items()}


def _record(kind: Event.Kind, row: Any, **payload: Any) -> None:
    number = row.pk if isinstance(row, PeriodicTask) else None  # a time is known by its name
    with transaction.atomic():
        record(event(kind, at=timezone.now(), record=number, name=getattr(row, "name", str(row)), **payload))
