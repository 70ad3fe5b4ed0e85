"""What wakes workers for jobs."""

import signal
import threading
from multiprocessing import Event
from types import FrameType
from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.utils import timezone

from circulation.jobs import retention, running
from circulation.jobs.models import Job

# Made before the processes of a worker are, which thereby share it: the first of them alone is told to end.
_ending = Event()


@worker_ready.connect
def hear_of_the_end(**_: Any) -> None:
    """As soon as it is told: Celery's own signal comes only when those that were not finished are being cut off."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        _tell_before(number, signal.getsignal(number))


def _tell_before(number: int, usual: Any) -> None:
    def tell(number: int, frame: FrameType | None) -> None:
        _ending.set()
        if callable(usual):
            usual(number, frame)

    signal.signal(number, tell)


@shared_task
def run_job(job_id: int) -> None:
    if not Job.objects.under_way().exists():
        running.run(job_id, stopping=_ending.is_set)
        resume_jobs()


@shared_task
def resume_jobs() -> None:
    """One after the other, whatever waits: nobody was woken for it, or who was is dead, or it was to wait.

    Nothing while another worker is at one: long work leaves the other workers to the rest.
    """
    while not (_ending.is_set() or Job.objects.under_way().exists()):
        job_id = Job.objects.waiting().order_by("pk").values_list("pk", flat=True).first()
        if job_id is None:
            return
        running.run(job_id, stopping=_ending.is_set)


@shared_task
def forget_jobs() -> None:
    retention.forget_old_jobs(at=timezone.now())
