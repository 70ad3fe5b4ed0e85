"""Files of titles, or of members, taken in by a job.

Each batch is one transaction, in which the job also writes down how far it is. Whatever ends a worker, the next one
goes on behind the last batch and knows what the first one knew. Only one thing of that grows with the file, where what
stands that was taken in: of this each batch adds its own part to a file of the job.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePath
from struct import Struct
from typing import Any

from django.db import transaction
from django.utils import timezone

from circulation.imports.files import BOOKS, MEMBERS, Ready, columns_named, printable, ready, source_of
from circulation.imports.formats.reading import read
from circulation.imports.formats.rows import FileError, Item, Refused
from circulation.imports.loading import BATCH, Loading, Report, Told
from circulation.imports.refused import ENDINGS, Mendable
from circulation.jobs import store
from circulation.jobs.lease import Lease
from circulation.jobs.models import Job, JobFile
from circulation.jobs.scratch import scratch
from circulation.jobs.telling import Reasons, first_rows
from events.operations import rehearsing, together

IMPORTABLE = {Job.Kind.IMPORT_BOOKS: BOOKS, Job.Kind.IMPORT_MEMBERS: MEMBERS}
MOST_NOTES = 100
# What a batch changes stays locked until its end, and nobody at the desk must wait for long. A title that is new takes
# half a millisecond; one that is changed, ten.
FIRST = 100  # items of a batch, which show how long the others would take
SHORT = 0.15  # seconds for these
COUNTED = ("added", "changed", "unchanged", "refused")

_LINE = Struct("<qq")  # the digest of a key, and where it stands


@dataclass
class Place:
    """How far a file is taken in: with the lines of its keys, all that there is to know for whoever goes on."""

    items: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    others: dict[str, list[int]] = field(default_factory=dict)
    written: int = 0  # refused rows, in the report
    names: list[str] = field(default_factory=list)  # of its columns
    is_over: bool = False


def import_files(job: Job, lease: Lease) -> None:
    """As `manage.py import_books` and `import_members`. Raises FileError before anything is changed."""
    with _opened(job) as files:
        lease.total = sum(len(one.file.items) for one in files)
        if job.options["dry_run"]:
            _rehearse(job, lease, files)
        else:
            course = _Course(job, lease, files)
            for number in range(len(files)):
                course.take_in(number)
            lease.end(Job.State.DONE)


@contextmanager
def _opened(job: Job) -> Iterator[list[Ready]]:
    """The files of a job, each read to its end and found to be sound. Raises FileError that names all that are not."""
    of = IMPORTABLE[Job.Kind(job.kind)]
    named = columns_named(job.options["map"], of.fields)
    with ExitStack() as stack:
        directory = stack.enter_context(scratch())
        files: list[Ready] = []
        problems: list[str] = []
        for sent in job.files.filter(role=JobFile.Role.SOURCE):
            try:
                file = read(store.copied(sent, directory / f"{sent.number}"), named)
                stack.callback(file.items.close)
                files.append(ready(of, file, named, job.options["source"] or source_of(sent.name)))
            except FileError as problem:
                problems.append(printable(f"{sent.name} {problem}"))
        if problems:
            raise FileError(" ".join(problems))
        yield files


class _Course:
    """The way of a job's files into the library, from wherever it is."""

    def __init__(self, job: Job, lease: Lease, files: list[Ready]) -> None:
        self.job, self.lease, self._files = job, lease, files
        self.names = list(job.files.filter(role=JobFile.Role.SOURCE).values_list("name", flat=True))
        self.places = [Place(**place) for place in job.checkpoint.get("places", [])]
        self.notes: list[str] = job.notes if self.places else []
        self.lease.done = sum(place.items for place in self.places)

    def take_in(self, number: int) -> None:
        """What is left of one file, batch by batch."""
        is_new = number == len(self.places)
        if is_new:
            self.places.append(Place())
        place = self.places[number]
        if place.is_over:
            return
        file, kind, table, notes = self._files[number]
        if is_new:
            self._note(*(f"{self.names[number]}: {note}" for note in notes))
        written = BytesIO()
        rows = Mendable(written, file.reader, source=kind.source, count=place.written, names=place.names)
        reasons = Reasons(self.names[number])

        def tell(told: Told) -> None:
            text = told.reason if isinstance(told, Refused) else told.text
            self._note(f"{self.names[number]}:{told.line}: {text}")
            if isinstance(told, Refused):
                rows.add(told)
                reasons.add(told)

        report = Report(tell, Counter(place.counts))
        lines = dict(self._known_lines(number)) if place.items else {}
        known = len(lines)
        loading: Loading[Any, Any] = Loading(
            kind, report, table or kind.table, timezone.now(), lines=lines, others=place.others
        )

        def save() -> None:
            nonlocal known
            place.counts, place.written, place.names = dict(report.counts), rows.count, list(rows.names)
            self._keep_refused(number, ENDINGS.get(file.reader, ".json"), written.getvalue())
            written.seek(0)
            written.truncate()
            self._keep_reasons(number, reasons.taken())
            if not place.is_over:
                self._keep_lines(number, b"".join(_LINE.pack(*line) for line in _newest(lines, len(lines) - known)))
            known = len(lines)
            self.save()

        waiting = islice(file.items, place.items, None)
        while place.items < len(file.items):
            self.lease.check()
            with self.transaction():
                count = _batch(loading, waiting)
                report.flush()
                place.items += count
                self.lease.done += count
                save()
        self.lease.check()
        with self.transaction():
            loading.note_others()
            report.flush()
            rows.end()
            place.is_over = True
            save()
            store.drop(self.job.files.filter(role=JobFile.Role.LINES, number=number))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with together():
            yield

    def save(self) -> None:
        """Where everything is, in the transaction of what was just taken in."""
        self.lease.save(checkpoint={"places": list(map(asdict, self.places))}, attempts=0, **self.told())

    def told(self) -> dict[str, Any]:
        """What the job says of itself."""
        counts: Counter[str] = Counter()
        for place in self.places:
            counts.update(place.counts)
        lines = [
            f"{name}: {Report(lambda told: None, Counter(place.counts))}."
            for name, place in zip(self.names, self.places, strict=False)
        ]
        shown = {name: counts[name] for name in COUNTED}
        if counts["left out"]:
            shown["left_out"] = counts["left out"]
        return {
            "result": shown,
            "refused": counts["refused"],
            "notes": self.notes,
            "message": "\n".join(map(printable, lines)),
        }

    def _note(self, *lines: str) -> None:
        self.notes += [printable(line) for line in lines[: max(0, MOST_NOTES - len(self.notes))]]

    def _keep_refused(self, number: int, ending: str, data: bytes) -> None:
        if data:
            name = f"{PurePath(self.names[number]).stem[:200]}-refused{ending}"
            self._append(JobFile.Role.REFUSED, number, name, data)

    def _keep_reasons(self, number: int, data: bytes) -> None:
        if data:
            self._append(JobFile.Role.REASONS, number, "", data)

    def _keep_lines(self, number: int, data: bytes) -> None:
        if data:
            self._append(JobFile.Role.LINES, number, "", data)

    def _append(self, role: JobFile.Role, number: int, name: str, data: bytes) -> None:
        file, _ = JobFile.objects.get_or_create(job=self.job, role=role, number=number, defaults={"name": name})
        store.append(file, data)

    def _known_lines(self, number: int) -> Iterator[tuple[int, int]]:
        rest = b""
        for file in self.job.files.filter(role=JobFile.Role.LINES, number=number):
            for data in store.content_of(file):
                data = rest + data
                whole = len(data) - len(data) % _LINE.size
                yield from _LINE.iter_unpack(data[:whole])
                rest = data[whole:]


class _Rehearsal(_Course):
    """The same in one transaction that is undone: nothing is written down but what is said in the end."""

    def __init__(self, job: Job, lease: Lease, files: list[Ready], directory: Path) -> None:
        job.checkpoint = {}
        super().__init__(job, lease, files)
        self._directory = directory
        self.files: dict[tuple[JobFile.Role, int], tuple[str, Path]] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def save(self) -> None:
        """Nothing: it would be undone."""

    def _keep_lines(self, number: int, data: bytes) -> None:
        """Nobody goes on with a rehearsal."""

    def _append(self, role: JobFile.Role, number: int, name: str, data: bytes) -> None:
        _, path = self.files.setdefault((role, number), (name, self._directory / f"{role.value}-{number}"))
        with path.open("ab") as file:
            file.write(data)


def _batch(loading: Loading[Any, Any], waiting: Iterator[Item]) -> int:
    """Take in the next items: five hundred, or if that would take long, some. Returns how many."""
    began, count = time.monotonic(), 0
    for size in (FIRST, BATCH - FIRST):
        if some := list(islice(waiting, size)):
            loading.take_in(some)
            count += len(some)
        if time.monotonic() - began > SHORT:
            break
    return count


def _newest(lines: dict[int, int], count: int) -> list[tuple[int, int]]:
    """The last ones of many, in their order."""
    return list(islice(reversed(lines.items()), count))[::-1]


def end_reports(job_id: int) -> None:
    """Complete the reports of refused rows that an import leaves which ends before its end."""
    endings = {f".{name}": end for name, end in (("json", "\n]\n"), ("xml", "</collection>\n"))}
    checkpoint = Job.objects.values_list("checkpoint", flat=True).get(pk=job_id)
    begun = [number for number, place in enumerate(checkpoint.get("places", [])) if not place["is_over"]]
    for file in JobFile.objects.filter(job=job_id, role=JobFile.Role.REFUSED, number__in=begun):
        store.append(file, endings.get(PurePath(file.name).suffix, "").encode())


def _rehearse(job: Job, lease: Lease, files: list[Ready]) -> None:
    with scratch() as directory:
        course = _Rehearsal(job, lease, files, directory)
        with rehearsing():
            preview = first_rows(files, course.names)
            for number in range(len(files)):
                course.take_in(number)
        told = course.told()
        told["message"] += "\nThis was a rehearsal: nothing was changed."
        with transaction.atomic(durable=True):
            store.keep(job, JobFile.Role.PREVIEW, 0, "", BytesIO(preview))
            for (role, number), (name, path) in course.files.items():
                with path.open("rb") as content:
                    store.keep(job, role, number, name, content)
            lease.end(Job.State.DONE, **told)
