"""What wakes workers for jobs."""

from multiprocessing import Event
from typing import Any

from celery import shared_task
from celery.signals import worker_shutting_down
from django.utils import timezone

from circulation.jobs import retention, running
from circulation.jobs.models import Job

# Made before a worker's processes are, which thereby share it: the first of them alone is told to end.
_ending = Event()


@worker_shutting_down.connect
def end_between_batches(**_: Any) -> None:
    _ending.set()


@shared_task
def run_job(job_id: int) -> None:
    running.run(job_id, stopping=_ending.is_set)


@shared_task
def resume_jobs() -> None:
    """Whatever waits: nobody was woken for it, or who was is dead, or it was to wait."""
    for job_id in Job.objects.waiting().order_by("pk").values_list("pk", flat=True):
        if not _ending.is_set():
            running.run(job_id, stopping=_ending.is_set)


@shared_task
def forget_jobs() -> None:
    retention.forget_old_jobs(at=timezone.now())
