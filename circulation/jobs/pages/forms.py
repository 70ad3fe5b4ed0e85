"""What is asked of whoever imports files."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from circulation.imports.files import columns_named, source_said
from circulation.imports.formats.rows import FileError
from circulation.imports.identity import LONGEST_SOURCE
from circulation.imports.recognising import recognised
from circulation.jobs.api.serializers import MOST_FILES
from circulation.jobs.importing import IMPORTABLE
from circulation.jobs.models import Job
from rest.words import in_words

Sent = Any  # an UploadedFile, which is generic for the type checker only
KINDS = {"books": Job.Kind.IMPORT_BOOKS, "members": Job.Kind.IMPORT_MEMBERS}


class Files(forms.FileInput):
    allow_multiple_selected = True

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Sent]:
        sent: list[Sent] = files.getlist(name) if hasattr(files, "getlist") else []
        return sent


class SeveralFiles(forms.FileField):
    """One or several. Their sum is what counts against the limit."""

    widget = Files

    def clean(self, data: Any, initial: Any = None) -> list[Sent]:
        sent = data if isinstance(data, list | tuple) else [data]
        files = [super(SeveralFiles, self).clean(one, initial) for one in sent or [None]]
        if len(files) > MOST_FILES:
            raise ValidationError(gettext("At most %(most)s files go together.") % {"most": MOST_FILES})
        if sum(file.size or 0 for file in files) > settings.IMPORT_MAX_MB * 1_000_000:
            raise ValidationError(too_large())
        return files


class ImportForm(forms.Form):
    file = SeveralFiles(
        label=_("Files"),
        help_text=_("CSV, JSON, SQL; of titles MARC 21 and MARCXML too. What a file is, its content tells."),
        error_messages={
            "required": _("Choose a file first."),
            "empty": _("This file is empty."),
            "max_length": _("The name of this file is too long."),
        },
        max_length=255,
    )
    kind = forms.ChoiceField(
        label=_("What is in them"),
        choices=[("", _("Recognise it")), ("books", _("Titles and copies")), ("members", _("Members"))],
        required=False,
    )
    source = forms.CharField(
        label=_("Where they are from"),
        max_length=LONGEST_SOURCE,
        required=False,
        help_text=_("The name of the other system. Empty: the file's name. Say the same each time."),
    )
    columns = forms.CharField(
        label=_("Columns"),
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "title=Name of the work"}),
        max_length=30_000,
        required=False,
        help_text=_("For columns with unusual names: a line for each, FIELD=COLUMN."),
    )

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files, label_suffix="")
        for name, field in self.fields.items():
            field.widget.attrs["aria-describedby"] = f"about-{name} wrong-{name}"
            if name in self.errors:
                field.widget.attrs["aria-invalid"] = "true"

    def clean_source(self) -> str:
        said: str = self.cleaned_data["source"]
        try:
            return source_said(said) if said else ""
        except ValueError as problem:
            raise ValidationError(in_words(str(problem))) from problem

    def clean_columns(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["columns"].splitlines() if line.strip()]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "file" not in given or "columns" not in given:
            return given
        given["kind"] = kind = KINDS.get(given.get("kind", "")) or self._recognised(given)
        if kind is not None:
            try:
                columns_named(given["columns"], IMPORTABLE[kind].fields)
            except ValueError as problem:
                self.add_error("columns", in_words(str(problem)))
        return given

    def _recognised(self, given: dict[str, Any]) -> Job.Kind | None:
        """What all of the files are; None, and said why, if they are not all of one kind."""
        named = [pair.partition("=")[2] for pair in given["columns"]]
        found = set()
        for file in given["file"]:
            try:
                found.add(recognised(file, named))
            except FileError as problem:
                self.add_error("file", f"{file.name} {problem}")
        if self.errors:
            return None
        if len(found) == 1 and (one := found.pop()) is not None:
            return KINDS[one]
        if found == {"books", "members"}:
            self.add_error("file", gettext("These are titles and members. Import one after the other."))
        else:
            self.add_error("kind", gettext("The columns may be of titles or of members. Please say which."))
        return None


def too_large() -> str:
    return gettext("This is too large. At most %(most)s MB go together.") % {"most": settings.IMPORT_MAX_MB}
