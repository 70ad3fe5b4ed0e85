from celery import shared_task
from django.utils import timezone

from circulation import housekeeping, statistics
from circulation.jobs.tasks import forget_jobs, resume_jobs, run_job

__all__ = ["count_days", "forget_history", "forget_jobs", "resume_jobs", "run_job", "serve_lines"]  # workers look here


@shared_task
def serve_lines() -> None:
    housekeeping.sweep(at=timezone.now())


@shared_task
def count_days() -> None:
    statistics.count_days(at=timezone.now())


@shared_task
def forget_history() -> None:
    housekeeping.forget_history(at=timezone.now())
