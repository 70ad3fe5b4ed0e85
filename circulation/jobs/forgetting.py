"""History without people, by a job."""

from __future__ import annotations

from datetime import timedelta

from circulation.anonymising import (
    Forgotten,
    anonymise_history,
    past_edits,
    past_loans,
    past_reservations,
    past_self_service,
)
from circulation.jobs.lease import Lease
from circulation.jobs.models import Job


def anonymise(job: Job, lease: Lease) -> None:
    """As `manage.py anonymise_history`, of what ended so many days before the job was asked for.

    Begun again, it goes on, and counts on.
    """
    before = job.created_at - timedelta(days=job.options["older_than_days"])
    loans, reservations = past_loans(before), past_reservations(before)
    if job.options["dry_run"]:
        would = {"loans": loans.count(), "reservations": reservations.count()}
        told = f"{would['loans']} loans and {would['reservations']} reservations would say no longer whose they were."
        lease.end(Job.State.DONE, result=would, message=told)
        return
    so_far = job.result
    done = Forgotten(
        so_far.get("loans", 0), so_far.get("reservations", 0), so_far.get("actors", 0), so_far.get("edits", 0)
    )
    events = past_self_service(before).count() + past_edits(before).count()
    lease.total = lease.done + loans.count() + reservations.count() + events

    def progress(rows: int) -> None:
        lease.done += rows
        lease.save(result=vars(done), message=_told(done), attempts=0)
        lease.check()

    anonymise_history(before=before, progress=progress, done=done)
    lease.end(Job.State.DONE, result=vars(done), message=_told(done))


def _told(done: Forgotten) -> str:
    return f"{done.loans} loans and {done.reservations} reservations say no longer whose they were."
