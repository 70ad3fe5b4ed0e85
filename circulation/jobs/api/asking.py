"""Asking for long work. The answer says where to see how far it is."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request

from accounts.models import Scope
from circulation.jobs import services
from circulation.jobs.api.serializers import AnonymisationInput, ExportInput, ImportInput, JobOut
from circulation.jobs.models import Job
from circulation.jobs.services import Upload
from library.api.operations import OperationView
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import shown, valid
from rest.uploads import UploadView

KINDS = {
    "books": (Job.Kind.IMPORT_BOOKS, Scope.CATALOGUE_WRITE),
    "members": (Job.Kind.IMPORT_MEMBERS, Scope.MEMBERS_WRITE),
}


def accepted(job: Job) -> Answer:
    where = f"/api/jobs/{job.pk}/"
    said = f"Accepted as job {job.pk}: {where} tells how far it is."
    return Answer(shown(JobOut, job), said, status=202, headers={"Location": where})


class Asking(OperationView):
    tag = "jobs"

    @property
    def asker(self) -> dict[str, Any]:
        return {"asked_by": self.caller.user, "caller": self.caller.name}


class Imports(UploadView, Asking):
    @property
    def upload_limit(self) -> int:
        limit: int = settings.IMPORT_MAX_MB
        return limit

    @endpoint(
        name="imports_create",
        summary="Import titles or members from files",
        description=(
            "As `manage.py import_books` and `import_members`: CSV, JSON, SQL and, of titles, MARC 21 and MARCXML. "
            "A worker reads the files, of which none may be broken, and takes in what is sound; the rest is told, and "
            "can be fetched, mended and sent again. All files together may have as many megabytes as IMPORT_MAX_MB "
            "says, usually 200. Titles need the scope `catalogue:write`, members `members:write`."
        ),
        request=ImportInput,
        answers={202: JobOut},
        headers={202: ["Location"]},
        keyed=True,
        is_form=True,
        example={"file": ["title,author\nEmma,Jane Austen\n"], "kind": "books"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self._asked()
        kind, scope = KINDS[asked["kind"]]
        if self.caller.key is not None and not self.caller.key.allows(scope):
            raise PermissionDenied(f"This API key is not good for this: it lacks the scope {scope}.")
        return self.perform(
            services.ask_for_import,
            accepted,
            would="import",
            kind=kind,
            files=[Upload(file.name, file) for file in asked["file"]],
            source=asked.get("source", ""),
            columns=asked.get("map", []),
            dry_run=asked["dry_run"],
            **self.asker,
        )

    def _asked(self) -> dict[str, Any]:
        """The form. Of the fields that may be there several times, all; of the others, one."""
        several = ("file", "map")
        if twice := [name for name, values in self.form.items() if name not in several and len(values) > 1]:
            raise ValidationError({name: ["This may be there once."] for name in twice})
        return valid(ImportInput, {name: found if name in several else found[0] for name, found in self.form.items()})

    def fingerprinted(self) -> bytes:
        """The fields as they are, of files their names and digests."""
        form = [(name, [_fingerprint(value) for value in values]) for name, values in self.form.items()]
        return json.dumps(sorted(form)).encode()


def _fingerprint(value: Any) -> str:
    if isinstance(value, str):
        return value
    value.seek(0)
    return f"{value.name}\0{hashlib.file_digest(value, 'sha256').hexdigest()}"


class Exports(Asking):
    @endpoint(
        name="exports_create",
        summary="Export the whole library",
        description="As `manage.py export`: all tables as they stand at one moment, in one archive.",
        request=ExportInput,
        answers={202: JobOut},
        headers={202: ["Location"]},
        keyed=True,
        example={"format": "csv"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self.parsed(ExportInput)
        return self.perform(services.ask_for_export, accepted, would="export", form=asked["format"], **self.asker)


class Anonymisations(Asking):
    @endpoint(
        name="anonymisations_create",
        summary="Forget who borrowed what long ago",
        description=(
            "As `manage.py anonymise_history`: of loans and reservations that ended longer ago than so many days, "
            "whose they were. There is no way back."
        ),
        request=AnonymisationInput,
        answers={202: JobOut},
        headers={202: ["Location"]},
        keyed=True,
        example={"older_than_days": 365},
    )
    def post(self, request: Request) -> HttpResponseBase:
        asked = self.parsed(AnonymisationInput)
        return self.perform(services.ask_for_anonymising, accepted, would="anonymise", **asked, **self.asker)
