"""The right to work on a job, for some seconds at a time: kept up beside the work, lost by saying nothing."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import Error, connection
from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce, Now

from circulation.jobs.models import Job

logger = logging.getLogger(__name__)

HOLD = timedelta(seconds=30)
EVERY = 0.5  # seconds between two times that it is renewed, with the progress


class Interrupted(Exception):
    """The work ends here, and why."""


class Cancelled(Interrupted):
    """Somebody asked for it."""


class Stopped(Interrupted):
    """The worker was told to end; another one will go on."""


class Lost(Interrupted):
    """Another worker has the job by now, or nobody: what was not committed must not be."""


class Lease:
    """Of one worker, for one job. `done` and `total` are how far it is, which everybody can see while it runs."""

    def __init__(self, job_id: int, holder: str, stopping: Callable[[], bool]) -> None:
        self.job_id = job_id
        self.done = self.total = 0
        self._holder, self._stopping = holder, stopping
        self._is_cancelled = self._is_lost = False
        self._over = threading.Event()

    @classmethod
    def take(cls, job_id: int, stopping: Callable[[], bool]) -> Lease | None:
        """None if the job is over, or another worker has it, or it is to wait."""
        holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"
        taken = (
            Job.objects.waiting()
            .filter(pk=job_id)
            .update(
                state=Job.State.RUNNING,
                holder=holder,
                held_until=Now() + HOLD,
                started_at=Coalesce("started_at", Now()),
                attempts=F("attempts") + 1,
            )
        )
        return cls(job_id, holder, stopping) if taken else None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Inside, it is renewed by a thread with a connection of its own: the work may be in one long transaction."""
        thread = threading.Thread(target=self._keep, name=f"job {self.job_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _keep(self) -> None:
        try:
            while not self._over.wait(EVERY):
                try:
                    self._renew()
                except Error as error:  # the work will notice, if it lasts
                    logger.warning("Job %s cannot be renewed: %s", self.job_id, error)
                    connection.close()
        finally:
            connection.close()

    def _renew(self) -> None:
        if not self._ours().update(held_until=Now() + HOLD, done=self.done, total=self.total):
            self._is_lost = True
        elif self._ours().filter(cancel_asked_at__isnull=False).exists():
            self._is_cancelled = True

    def check(self) -> None:
        """Between two batches. Raises what there is to end for."""
        if self._is_lost:
            raise Lost
        if self._is_cancelled:
            raise Cancelled
        if self._stopping():
            raise Stopped

    def save(self, **fields: Any) -> None:
        """Write these of the job, if it is still ours: the transaction of a batch hangs on it. Raises Lost."""
        if not self._ours().update(done=self.done, total=self.total, **fields):
            raise Lost

    def end(self, state: Job.State, **fields: Any) -> None:
        """It is over. Raises Lost."""
        self.save(state=state, ended_at=Now(), holder="", held_until=None, checkpoint={}, **fields)

    def let_go(self, *, wait: timedelta = timedelta(0), is_failure: bool = False, **said: str) -> None:
        """Leave it to the next worker, after a while. What is no failure does not count as an attempt."""
        attempts = F("attempts") if is_failure else Case(When(attempts__gt=0, then=F("attempts") - 1), default=Value(0))
        self._ours().update(state=Job.State.QUEUED, holder="", held_until=Now() + wait, attempts=attempts, **said)

    def _ours(self) -> Any:
        return Job.objects.filter(pk=self.job_id, holder=self._holder)
