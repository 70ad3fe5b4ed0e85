"""Jobs, in and out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from circulation.exports.library import FORMATS
from circulation.imports.identity import LONGEST_SOURCE
from circulation.jobs.models import Job
from rest.serializers import Moment, StrictSerializer, Text, WholeNumber, YesNo

MOST_FILES = 20


class ImportInput(StrictSerializer):
    file = serializers.ListField(
        child=serializers.FileField(max_length=None),
        min_length=1,
        max_length=MOST_FILES,
        help_text="One or several. What kind a file is, its content tells.",
    )
    kind = serializers.ChoiceField([("books", "books"), ("members", "members")])
    source = Text(  # type: ignore[assignment]  # so it is called
        required=False,
        max_length=LONGEST_SOURCE,
        help_text="What the system is called that the records come from; else as the file.",
    )
    dry_run = serializers.BooleanField(
        default=False, help_text="Only say what would happen: the job rehearses, and changes nothing."
    )
    map = serializers.ListField(
        child=Text(max_length=300),
        required=False,
        max_length=100,
        help_text="`field=column` each: which column holds a field, where the usual names will not do.",
    )


class ExportInput(StrictSerializer):
    format = serializers.ChoiceField([(name, name) for name in FORMATS], default=FORMATS[0])


class AnonymisationInput(StrictSerializer):
    older_than_days = WholeNumber(min_value=0, max_value=36_500, help_text="0: everything that ended.")
    dry_run = YesNo(default=False, help_text="Only say how much it would be.")


class JobQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(Job.State.choices, required=False)
    kind = serializers.ChoiceField(Job.Kind.choices, required=False)


class ProgressOut(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    total = serializers.IntegerField(help_text="0 while nobody knows.")


class JobLinksOut(serializers.Serializer[Any]):
    result = serializers.CharField(allow_null=True, help_text="Of an export that is done.")
    errors = serializers.CharField(  # type: ignore[assignment]  # so it is called
        allow_null=True, help_text="The refused rows, to be mended. Null if there are none."
    )


class JobOut(serializers.Serializer[Job]):
    """Long work, how far it is, and what came of it. Kept for thirty days."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(Job.Kind.choices)
    state = serializers.ChoiceField(Job.State.choices)
    asked_by = serializers.SerializerMethodField(help_text="Null at an open desk.")
    created_at = Moment()
    started_at = Moment(allow_null=True)
    ended_at = Moment(allow_null=True)
    progress = ProgressOut(source="*", help_text="In rows.")
    result = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Counts: so far, while it runs. Of an import added, changed and so on.",
    )
    message = serializers.CharField(help_text="The same for people, a line for each file.")
    refused = serializers.IntegerField(help_text="How many rows were refused.")
    notes = serializers.ListField(
        child=serializers.CharField(),
        help_text="What there was to say about rows, by file and line; the first hundred.",
    )
    links = serializers.SerializerMethodField()

    @extend_schema_field({"type": ["string", "null"]})
    def get_asked_by(self, job: Job) -> str | None:
        return job.asked_by.get_username() if job.asked_by else None

    @extend_schema_field(JobLinksOut)
    def get_links(self, job: Job) -> dict[str, str | None]:
        return {
            "result": f"/api/jobs/{job.pk}/result/" if job.has_result else None,
            "errors": f"/api/jobs/{job.pk}/errors/" if getattr(job, "mendable", False) else None,
        }
