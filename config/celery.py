"""Celery: workers do what nobody waits for.

A task is a wake-up. What is to be done stands in PostgreSQL, so a task that is lost, runs twice, or runs on two workers
at once does no harm: the next round of the schedule finds what was missed.
"""

import os
import warnings
from typing import Any

from celery import Celery, Task, bootsteps
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import worker_ready

from config.environment import read_settings
from events.alive import still_alive
from events.origins import done_by
from events.redis import ask

ROUND = 5.0  # seconds between two signs of life of a worker

# That what runs is not cut off when Redis goes away will change some day, Celery says whenever Redis does.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
read_settings()


class NamedTask(Task):  # type: ignore[type-arg]
    """Whatever it records says that this task did it."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with done_by(self.name):
            return super().__call__(*args, **kwargs)


app = Celery("circdesk", task_cls=NamedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_ready.connect
def show_life(**_: Any) -> None:
    """Not only when beat says so for the first time, half a minute later."""
    ask(lambda: app.send_task("events.tasks.show_life", retry=False))


class SaysAlive(bootsteps.StartStopStep):
    """From the loop in which a worker takes what there is to do, so that one which hangs is found out."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:
        still_alive()
        parent.timer.call_repeatedly(ROUND, still_alive)


app.steps["worker"].add(SaysAlive)
