"""Doing a job, whichever worker comes to it, and saying what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.db import Error, InterfaceError, OperationalError, connection, transaction

from circulation.imports.files import printable
from circulation.imports.formats.rows import FileError
from circulation.jobs.exporting import export
from circulation.jobs.forgetting import anonymise
from circulation.jobs.importing import end_reports, import_files
from circulation.jobs.lease import Cancelled, Lease, Lost, Stopped
from circulation.jobs.models import Job
from events.exceptions import Busy, DomainError
from events.operations import discard_dead_connections, told_by_postgresql
from events.recording import acting

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 5  # without getting on
PAUSE = timedelta(seconds=10)  # times the number of attempts, before the next one
OURS = "Something went wrong on our side. It was logged."

WORK: Mapping[str, Callable[[Job, Lease], None]] = {
    Job.Kind.IMPORT_BOOKS: import_files,
    Job.Kind.IMPORT_MEMBERS: import_files,
    Job.Kind.EXPORT: export,
    Job.Kind.ANONYMISE: anonymise,
}


def run(job_id: int, *, stopping: Callable[[], bool] = lambda: False) -> None:
    """Do what is left of a job. Nothing, if it is over or another worker is at it.

    `stopping` is asked between two batches: if it says yes, the job waits for another worker.
    """
    lease = Lease.take(job_id, stopping)
    if lease is None:
        return
    job = Job.objects.get(pk=job_id)
    lease.done, lease.total = job.done, job.total
    try:
        _run(job, lease)
    except Lost:
        logger.warning("Job %s was taken over by another worker.", job_id)
    except (InterfaceError, OperationalError, Busy) as error:
        _put_off(job, lease, error)


def _run(job: Job, lease: Lease) -> None:
    try:
        with lease.kept(), acting(job.asked_by_id):
            if job.cancel_asked_at is not None:
                raise Cancelled
            if job.attempts > MOST_ATTEMPTS:
                _end(job, lease, Job.State.FAILED, f"Given up after {MOST_ATTEMPTS} attempts.")
                return
            WORK[job.kind](job, lease)
    except Cancelled:
        _end(job, lease, Job.State.CANCELLED, f"Cancelled. {what_stays(job)}")
    except Stopped:
        lease.let_go()
    except (Lost, InterfaceError, OperationalError, Busy):
        raise
    except FileError as problem:
        _end(job, lease, Job.State.FAILED, f"{printable(str(problem))} Nothing was changed.")
    except DomainError as problem:
        _end(job, lease, Job.State.FAILED, f"{problem} {what_stays(job)}")
    except OSError as problem:
        logger.warning("Job %s failed: %s", job.pk, problem)
        _end(job, lease, Job.State.FAILED, f"{problem.strerror or problem}. {what_stays(job)}")
    except Exception:
        logger.exception("Job %s failed.", job.pk)
        _end(job, lease, Job.State.FAILED, f"{OURS} {what_stays(job)}")


def _put_off(job: Job, lease: Lease, error: Exception) -> None:
    """The database is away, or others hold what is needed: leave it to be tried again.

    If not even that can be written down, the lease runs out by itself.
    """
    logger.warning("Job %s waits: %s", job.pk, error)
    said = str(error) if isinstance(error, Busy) else told_by_postgresql(error)
    try:
        discard_dead_connections()
        lease.let_go(wait=PAUSE * job.attempts, is_failure=True, message=f"Waits to be tried again. {said}")
    except Error:
        connection.close()


def _end(job: Job, lease: Lease, state: Job.State, line: str) -> None:
    """End before the end: the line comes below what was said of each file so far."""
    with transaction.atomic(durable=True):
        end_reports(job.pk)
        so_far = Job.objects.values_list("message", flat=True).get(pk=job.pk)
        lease.end(state, message=f"{so_far}\n{line}".strip())


def what_stays(job: Job) -> str:
    """What an end before the end leaves in the library."""
    if job.kind == Job.Kind.EXPORT:
        return "Nothing was written."
    if job.options.get("dry_run"):
        return "Nothing was changed."
    return "What was done before stays."
