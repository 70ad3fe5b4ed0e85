"""The worker of `make run`, with beat: Celery, which ends with the process that started it.

Production runs `celery` itself, see docker-compose.yml.
"""

import logging
import os
import warnings

# Told to end, a worker waits for what it has in hand, but not for ever: whatever is cut off begins again elsewhere.
os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from typing import Any

from celery import bootsteps
from celery.exceptions import SecurityWarning
from celery.signals import beat_embedded_init
from celery.worker.components import Beat, Timer

from config.celery import app
from config.web import stop_with_parent

logger = logging.getLogger(__name__)

LOOK = 2.0  # seconds between two looks at whether beat is alive
PROCESSES = 2  # so that a long job leaves one for the rest
GRACE = 8  # seconds; CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT is shorter


@beat_embedded_init.connect
def end_with_the_worker(**_: Any) -> None:
    stop_with_parent(GRACE)  # the other processes of a worker do so by themselves


class KeepsBeat(bootsteps.StartStopStep):
    """Begins beat again if it was killed, as Celery does with its other processes: without it nothing is woken."""

    requires = (Beat, Timer)

    def start(self, parent: Any) -> None:
        parent.timer.call_repeatedly(LOOK, self._look, (parent,))

    def _look(self, worker: Any) -> None:
        [beat] = [step for step in worker.steps if isinstance(step, Beat)]
        if not beat.obj.is_alive():
            logger.error("Beat ended, and begins again.")
            beat.obj = beat.create(worker)
            beat.start(worker)


class SaysSo(bootsteps.StartStopStep):
    """A line on standard output once its processes run: told to end before that, Celery stumbles."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        print("running", flush=True)


def main() -> None:
    app.steps["worker"].update([KeepsBeat, SaysSo])
    stop_with_parent(GRACE)
    warnings.simplefilter("ignore", SecurityWarning)  # as root, as the rest of `make run`
    app.Worker(beat=True, concurrency=PROCESSES, quiet=True, without_gossip=True, without_mingle=True).start()


if __name__ == "__main__":
    main()
