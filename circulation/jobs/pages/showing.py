"""An import as people see it: in words, with what they can do next."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from circulation.jobs import store
from circulation.jobs.models import Job, JobFile
from events import heartbeats
from rest.words import in_words

SILENT = 120.0  # seconds without a sign of life after which no worker is there
REASONS_SHOWN = 20

OUTCOMES = {
    "added": gettext_lazy("added"),
    "changed": gettext_lazy("changed"),
    "unchanged": gettext_lazy("as they were"),
    "refused": gettext_lazy("refused"),
    "left_out": gettext_lazy("left out"),
}
FUTURE = {
    "added": gettext_lazy("would be added"),
    "changed": gettext_lazy("would be changed"),
    "unchanged": gettext_lazy("would stay as they are"),
    "refused": gettext_lazy("would be refused"),
    "left_out": gettext_lazy("would be left out"),
}
FIELDS = {
    "id": gettext_lazy("Number"),
    "title": gettext_lazy("Title"),
    "authors": gettext_lazy("Authors"),
    "isbn": gettext_lazy("ISBN"),
    "publisher": gettext_lazy("Publisher"),
    "published_year": gettext_lazy("Year"),
    "language": gettext_lazy("Language"),
    "category": gettext_lazy("Category"),
    "copies": gettext_lazy("Copies"),
    "barcodes": gettext_lazy("Barcodes"),
    "in_circulation": gettext_lazy("Is lent"),
    "card_number": gettext_lazy("Card"),
    "first_name": gettext_lazy("First name"),
    "last_name": gettext_lazy("Last name"),
    "email": gettext_lazy("E-mail"),
    "branch": gettext_lazy("Branch"),
    "expires_on": gettext_lazy("Expires on"),
    "blocked_reason": gettext_lazy("Blocked because"),
}


@dataclass(frozen=True)
class Preview:
    """The first rows of a file, in the columns that were found in it."""

    file: str
    columns: list[Any]
    rows: list[dict[str, Any]]


class Shown:
    """A job for a template."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.is_rehearsal = bool(job.options.get("dry_run"))
        self.is_titles = job.kind == Job.Kind.IMPORT_BOOKS

    @property
    def url(self) -> str:
        return reverse("import-job", args=[self.job.pk])

    @cached_property
    def names(self) -> str:
        """Of its files; of a rehearsal that went on, they are with the import."""
        roles = JobFile.Role.SOURCE
        found = list(self.job.files.filter(role=roles).values_list("name", flat=True))
        if not found and self.is_rehearsal:
            after = JobFile.objects.filter(job__options__rehearsed=self.job.pk, role=roles)
            found = list(after.values_list("name", flat=True))
        return ", ".join(found)

    @property
    def what(self) -> str:
        return _("Titles and copies") if self.is_titles else _("Members")

    @property
    def status(self) -> str:
        match self.job.state:
            case Job.State.QUEUED:
                return _("Waits for a worker")
            case Job.State.RUNNING if self.job.cancel_asked_at:
                return _("Is being cancelled")
            case Job.State.RUNNING:
                return _("Rehearsed right now") if self.is_rehearsal else _("Imported right now")
            case Job.State.DONE:
                return _("Rehearsed") if self.is_rehearsal else _("Imported")
            case Job.State.CANCELLED:
                return _("Cancelled")
        return _("Failed")

    @property
    def is_missed(self) -> bool:
        """It waits, and there is nobody who would do it."""
        if self.job.state != Job.State.QUEUED:
            return False
        age = heartbeats.ages().get("worker")
        return age is None or age > SILENT

    @property
    def counts(self) -> list[dict[str, Any]]:
        words = FUTURE if self.is_rehearsal else OUTCOMES
        found = self.job.result
        return [
            {"name": name, "count": found[name], "words": str(word)} for name, word in words.items() if name in found
        ]

    @property
    def is_worthwhile(self) -> bool:
        """Whether importing it would do anything."""
        return any(self.job.result.get(name) for name in ("added", "changed"))

    @property
    def sentence(self) -> str:
        """What came of it, in one sentence."""
        told = ", ".join(f"{one['count']:,} {one['words']}" for one in self.counts if one["count"])
        match self.job.state:
            case Job.State.DONE if self.is_rehearsal:
                nothing = _("Nothing in here is of use.")
                return _("Of this file, %(told)s. Nothing is written yet.") % {"told": told} if told else nothing
            case Job.State.DONE:
                return _("It is done: %(told)s.") % {"told": told or _("there was nothing to do")}
            case Job.State.CANCELLED if told and not self.is_rehearsal:
                return _("It was cancelled. What was done before stays: %(told)s.") % {"told": told}
            case Job.State.CANCELLED:
                return _("It was cancelled. Nothing was changed.")
        return in_words(self.job.message)

    @property
    def percent(self) -> int:
        return min(100, self.job.done * 100 // self.job.total) if self.job.total else 0

    @property
    def rows(self) -> str:
        if not self.job.total:
            return _("Reading the file.") if self.job.state == Job.State.RUNNING else ""
        told = ngettext("%(done)s of %(total)s row", "%(done)s of %(total)s rows", self.job.total)
        return told % {"done": f"{self.job.done:,}", "total": f"{self.job.total:,}"}

    def progress(self) -> dict[str, Any]:
        return {
            "is_over": self.job.is_over,
            "status": self.status,
            "rows": self.rows,
            "percent": self.percent,
            "is_known": bool(self.job.total),
            "is_missed": self.is_missed,
        }

    @property
    def reasons(self) -> list[str]:
        """The first of what there was to say about rows."""
        found: list[str] = self.job.notes
        return [in_words(note) for note in found[:REASONS_SHOWN]]

    @property
    def has_reasons(self) -> bool:
        return self.job.is_over and self.job.files.filter(role=JobFile.Role.REASONS).exists()

    @property
    def has_mendable(self) -> bool:
        return bool(getattr(self.job, "mendable", False))

    @property
    def imported_list(self) -> str:
        return reverse(f"admin:library_{'book' if self.is_titles else 'member'}_changelist")


def preview_of(job: Job) -> list[Preview]:
    """What a rehearsal understood, file by file."""
    found: list[Preview] = []
    for kept in job.files.filter(role=JobFile.Role.PREVIEW):
        for one in json.loads(b"".join(store.content_of(kept))):
            there = {name for row in one["rows"] for name in row.get("values", {})}
            names = [name for name in FIELDS if name in there]
            rows = [
                {
                    "line": row["line"],
                    "refused": row.get("refused", ""),
                    "values": [row.get("values", {}).get(name, "") for name in names],
                }
                for row in one["rows"]
            ]
            found.append(Preview(one["file"], [FIELDS[name] for name in names], rows))
    return found
