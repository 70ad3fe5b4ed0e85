"""Waking a worker for what was just written down."""

from __future__ import annotations

from typing import Any

from celery.app.task import Task
from django.db import transaction

from events.redis import ask


def wake(task: Task[Any, Any], *arguments: Any) -> None:
    """Have a worker run this task as soon as what is being written is committed.

    Without Redis nobody is woken, and nothing is lost: the schedule's next round finds what there is to do.
    """
    transaction.on_commit(lambda: ask(lambda: task.apply_async(arguments, retry=False)))
