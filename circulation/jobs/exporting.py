"""The whole library as files, by a job."""

from __future__ import annotations

from django.db import transaction

from circulation.exports.library import as_of_one_moment, tables_in
from circulation.jobs import store
from circulation.jobs.lease import Lease
from circulation.jobs.models import Job, JobFile
from circulation.jobs.scratch import scratch

_NOW_AND_THEN = 500  # rows


def export(job: Job, lease: Lease) -> None:
    """As `manage.py export`. Begun again, it shows a later moment."""
    counts: dict[str, int] = {}
    lease.done = lease.total = 0

    def progress(more: int) -> None:
        lease.done += more
        if lease.done % _NOW_AND_THEN == 0:
            lease.check()

    with scratch() as directory:
        with as_of_one_moment():
            tables = tables_in(job.options["format"])
            lease.total = sum(table.count() for table in tables)
            for table in tables:
                lease.check()
                counts[table.name] = table.write(directory, progress)
        lease.check()
        with transaction.atomic(durable=True):
            for number, path in enumerate(sorted(directory.iterdir())):
                with path.open("rb") as content:
                    store.keep(job, JobFile.Role.RESULT, number, path.name, content)
            told = ", ".join(f"{name}: {count}" for name, count in counts.items())
            lease.end(Job.State.DONE, result=counts, message=f"Exported. {told}.")
