"""Jobs: asked for, looked up, cancelled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from django.conf import settings
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q, QuerySet

from accounts.models import User
from circulation.imports.files import columns_named, source_said
from circulation.jobs import store
from circulation.jobs.exceptions import JobNotFound, NoSuchFile, Unusable
from circulation.jobs.importing import IMPORTABLE, end_reports
from circulation.jobs.models import Job, JobFile
from circulation.jobs.tasks import run_job
from events.exceptions import OtherService
from events.operations import operation
from events.waking import wake
from library.exceptions import InvalidTransition

# Of two services, where the records are that an import writes.
SERVICE_OF = {Job.Kind.IMPORT_BOOKS: "admin", Job.Kind.IMPORT_MEMBERS: "public"}


@dataclass(frozen=True)
class Upload:
    """A file that was sent, and what its sender calls it."""

    name: str
    content: BinaryIO


@operation
def ask_for_import(
    *,
    kind: Job.Kind,
    files: Sequence[Upload],
    source: str = "",
    columns: Sequence[str] = (),
    dry_run: bool = False,
    asked_by: User | None,
    caller: str,
) -> Job:
    """An import of these files, to be done by a worker. `columns` holds `field=column` pairs.

    Raises Unusable, and OtherService for what the other one of two services writes.
    """
    if settings.SERVICE not in ("all", SERVICE_OF[kind]):
        raise OtherService("public" if settings.SERVICE == "admin" else "admin's")
    try:
        columns_named(columns, IMPORTABLE[kind].fields)
    except ValueError as problem:
        raise Unusable("map", str(problem)) from problem
    try:
        source = source_said(source) if source else ""
    except ValueError as problem:
        raise Unusable("source", str(problem)) from problem
    digests = [_digest(file.content) for file in files]
    options = {"source": source, "map": list(columns), "dry_run": dry_run, "digests": digests}
    job = _queued(kind, options, asked_by, caller)
    for number, file in enumerate(files):
        file.content.seek(0)  # tried again, it is read again
        store.keep(job, JobFile.Role.SOURCE, number, file.name, file.content)
    return job


@operation
def import_rehearsed(*, job_id: int, within: QuerySet[Job], asked_by: User | None, caller: str) -> Job:
    """The import that a job rehearsed, of the same files, which go over to it. Asked for again, it is the same one.

    Raises JobNotFound for none of those `within`, and InvalidTransition for what was not rehearsed to its end.
    """
    rehearsal = within.filter(pk=job_id).select_for_update(of=("self",), no_key=True).first()
    if rehearsal is None:
        raise JobNotFound(job_id)
    if (job := import_after(rehearsal)) is not None:
        return job
    if not rehearsal.options.get("dry_run") or rehearsal.state != Job.State.DONE:
        raise InvalidTransition(f"Job {job_id} is no rehearsal that came to its end.", state=rehearsal.state)
    options = rehearsal.options | {"dry_run": False, "rehearsed": job_id}
    job = _queued(Job.Kind(rehearsal.kind), options, asked_by, caller)
    rehearsal.files.filter(role=JobFile.Role.SOURCE).update(job=job)
    return job


def import_after(rehearsal: Job) -> Job | None:
    """The import that was asked for after this rehearsal, if it was."""
    return Job.objects.filter(options__rehearsed=rehearsal.pk).first()


def import_of_the_same(job: Job) -> Job | None:
    """The last import of the very same files that came to its end before, as long as jobs are kept."""
    if not (digests := job.options.get("digests")):
        return None
    same = Job.objects.filter(kind=job.kind, state=Job.State.DONE, pk__lt=job.pk).select_related("asked_by")
    return same.filter(options__digests=digests, options__dry_run=False).order_by("-pk").first()


def _digest(content: BinaryIO) -> str:
    content.seek(0)
    digest = hashlib.sha256()
    while data := content.read(store.CHUNK):
        digest.update(data)
    return digest.hexdigest()


@operation
def ask_for_export(*, form: str, asked_by: User | None, caller: str) -> Job:
    return _queued(Job.Kind.EXPORT, {"format": form}, asked_by, caller)


@operation
def ask_for_anonymising(*, older_than_days: int, dry_run: bool = False, asked_by: User | None, caller: str) -> Job:
    """Of what ended so many days before now."""
    options = {"older_than_days": older_than_days, "dry_run": dry_run}
    return _queued(Job.Kind.ANONYMISE, options, asked_by, caller)


def _queued(kind: Job.Kind, options: dict[str, Any], asked_by: User | None, caller: str) -> Job:
    job = Job.objects.create(kind=kind, options=options, asked_by=asked_by, caller=caller)
    wake(run_job, job.pk)
    return job


@operation
def cancel(*, job_id: int, within: QuerySet[Job], at: datetime) -> Job:
    """End a job before its end. Whoever is at it ends with the batch; what went in stays.

    Raises JobNotFound for none of those `within`, and InvalidTransition for one that is over.
    """
    job = within.filter(pk=job_id).select_for_update(of=("self",), no_key=True).first()
    if job is None:
        raise JobNotFound(job_id)
    if job.is_over:
        raise InvalidTransition(f"Job {job_id} is over already: {job.get_state_display().lower()}.", state=job.state)
    job.cancel_asked_at = job.cancel_asked_at or at
    job.save(update_fields=["cancel_asked_at"])
    if not job.holder or job.held_until is None or job.held_until <= at:  # nobody is at it
        end_reports(job_id)
        job.state, job.ended_at, job.holder, job.held_until = Job.State.CANCELLED, at, "", None
        job.message, job.checkpoint = f"{job.message}\nCancelled.".strip(), {}
        job.save(update_fields=["state", "ended_at", "holder", "held_until", "message", "checkpoint"])
    return job


def result_of(job: Job) -> list[JobFile]:
    """What was exported. Raises NoSuchFile."""
    if not job.has_result:
        raise NoSuchFile(f"Job {job.pk} has no result to fetch{'' if job.is_over else ' yet'}.")
    return list(job.files.filter(role=JobFile.Role.RESULT))


def errors_of(job: Job) -> list[JobFile]:
    """The rows that were refused, as files to be mended. Raises NoSuchFile."""
    if not job.is_over:
        raise NoSuchFile(f"Job {job.pk} is not over yet.")
    files = list(job.files.filter(role=JobFile.Role.REFUSED))
    if not files:
        raise NoSuchFile(f"Job {job.pk} refused no row that could be mended.")
    return files


def visible(*, user: User | None, caller: str, is_admin: bool, is_key: bool) -> QuerySet[Job]:
    """The jobs that there are for somebody: admins see everybody's, others those that they asked for.

    Who is no admin any more does not see what only admins may ask for. A key sees those that it asked for.
    """
    rows = JobFile.objects.filter(job=OuterRef("pk"), role=JobFile.Role.REFUSED)
    jobs = Job.objects.select_related("asked_by").defer("checkpoint")
    jobs = jobs.annotate(mendable=ExpressionWrapper(Exists(rows) & ~Q(state__in=Job.UNENDED), BooleanField()))
    if is_admin:
        return jobs
    own = Q(caller=caller) if is_key or user is None else Q(asked_by=user)
    return jobs.filter(own).exclude(kind__in=Job.OF_ADMINS)
