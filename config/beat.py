"""Beat: what must be done without being asked, when its time has come."""

from __future__ import annotations

import logging
from typing import Any

from celery.beat import SchedulingError
from django.db import Error, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

from events.alive import still_alive
from events.heartbeats import beat
from events.origins import done_by

logger = logging.getLogger(__name__)


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # it has no types
    """The schedule as the admin's pages have it. A row that is not there yet comes from `config/schedule.py`.

    By itself django-celery-beat would write over what was changed in the admin, at every start.
    """

    def update_from_dict(self, mapping: dict[str, Any]) -> None:
        known = set(self.Model.objects.filter(name__in=mapping).values_list("name", flat=True))
        with done_by("beat"):
            super().update_from_dict({name: entry for name, entry in mapping.items() if name not in known})

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        still_alive()
        try:
            beat("beat")
        except Error:  # what follows finds it out as well, and says so
            close_old_connections()
        return super().tick(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """In one line, while Redis is away, for what Celery tells in two hundred."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            logger.warning("%s", error)
