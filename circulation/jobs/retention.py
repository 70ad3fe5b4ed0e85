"""The end of old jobs."""

from datetime import datetime, timedelta

from circulation.jobs import store
from circulation.jobs.models import Job, JobFile

KEEP = timedelta(days=30)


def forget_old_jobs(*, at: datetime) -> int:
    """Drop jobs that ended more than thirty days ago, with their files. Returns how many."""
    old = Job.objects.filter(ended_at__lt=at - KEEP)
    store.drop(JobFile.objects.filter(job__in=old))
    dropped, _ = old.delete()
    return dropped
