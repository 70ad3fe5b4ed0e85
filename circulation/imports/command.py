"""What the import commands share: the arguments, the order of work, and the words."""

from __future__ import annotations

import os
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from circulation.imports.formats.reading import File, read
from circulation.imports.formats.rows import FileError, Refused, Row
from circulation.imports.loading import Kind, Report, Told, load
from circulation.imports.progress import bar
from circulation.imports.refused import RefusedRows
from events.exceptions import DomainError
from events.operations import rehearsing

AnyKind = Kind[Any, Any]


class Import(BaseCommand):
    """Takes files in. Whatever cannot be taken in is told by file and line, the rest goes in."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would happen, and change nothing.")
        parser.add_argument(
            "--source", metavar="NAME", help="What the system is called that the records come from; else as the file."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with rehearsing(options["dry_run"]):
                reports = self.run(options)
        except (DomainError, OperationalError) as problem:
            raise CommandError(f"{problem} What went in before stays; run the import again to go on.") from problem
        except KeyboardInterrupt as stop:
            raise CommandError("Stopped. What went in before stays; run the import again to go on.") from stop
        if options["dry_run"]:
            self.stdout.write("This was a rehearsal: nothing was changed.")
        if refused := sum(report.counts["refused"] for report in reports):
            raise CommandError("1 row was refused." if refused == 1 else f"{refused} rows were refused.")

    @abstractmethod
    def run(self, options: dict[str, Any]) -> list[Report]:
        """Take in what the options name. Raises CommandError before anything is changed."""

    def load(self, file: File, kind: AnyKind, *, refused: Path | None) -> Report:
        """Take in one file; `refused` is where to write the rows that did not make it."""
        with ExitStack() as stack:
            rows = stack.enter_context(RefusedRows(refused, file.reader)) if refused else None
            progress = stack.enter_context(bar(f"Importing {file.path.name}", total=len(file.items), unit=" rows"))
            report = load(
                kind, file.items, at=timezone.now(), tell=self._teller(file.path, rows), progress=progress.update
            )
        self.stdout.write(f"{file.path}: {report}.")
        if rows and rows.count:
            self.stdout.write(f"The refused rows are in {refused}. Mend them, and import that file.")
        return report

    def _teller(self, path: Path, rows: RefusedRows | None) -> Callable[[Told], None]:
        def tell(told: Told) -> None:
            if isinstance(told, Refused):
                self.stderr.write(f"{path}:{told.line}: {told.reason}")
                if rows:
                    rows.add(told)
            else:
                self.stdout.write(f"{path}:{told.line}: {told.text}")

        return tell


class FileImport(Import):
    """Imports files of one kind of record."""

    fields: Mapping[str, Any]  # those that --map may name

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        super().add_arguments(parser)
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help=f"Which column holds a field. Fields: {', '.join(self.fields)}. May be given several times.",
        )
        parser.add_argument(
            "--refused", type=Path, metavar="FILE", help="Where to write the rows that are refused, to be mended."
        )

    @abstractmethod
    def kind_for(self, file: File, named: Mapping[str, str], options: dict[str, Any]) -> AnyKind:
        """What reads and takes in the rows of a file."""

    def run(self, options: dict[str, Any]) -> list[Report]:
        named = _named(options["map"], self.fields)
        refused: Path | None = options["refused"]
        if refused and len(options["files"]) > 1:
            raise CommandError("--refused is for one file at a time.")
        if refused and any(refused.resolve() == path.resolve() for path in options["files"]):
            raise CommandError("--refused must not be the file that is imported.")
        if refused and not os.access(refused.parent, os.W_OK):
            raise CommandError(f"--refused: {refused.parent} is no directory that can be written to.")
        ready: list[tuple[File, AnyKind, list[str]]] = []
        problems: list[str] = []
        with ExitStack() as stack:
            for path in options["files"]:
                try:
                    file = read(path, named)
                    stack.callback(file.items.close)
                    kind = self.kind_for(file, named, options)
                    notes = list(kind.expect(file.items.first_row)) if file.items.first_row else []
                except FileError as problem:
                    problems.append(f"{path} {problem}")
                else:
                    ready.append((file, kind, notes))
            if problems:
                raise CommandError("\n".join(problems) + " Nothing was changed.")
            return [self._load(*one, refused=refused) for one in ready]

    def _load(self, file: File, kind: AnyKind, notes: list[str], *, refused: Path | None) -> Report:
        for note in notes:
            self.stdout.write(f"{file.path}: {note}")
        return self.load(file, kind, refused=refused)


def source_named(file: File, options: dict[str, Any]) -> str:
    """What the records of a file are from, unless they say it themselves."""
    name: str = options["source"] or file.path.name.split(".")[0]
    return name.strip()[:60] or "import"


def is_challenge(row: Row | None, *names: str) -> bool:
    """Whether a row is of the reservation challenge, whose ids become ours."""
    return row is None or any(name.lower() in names for name in row.names)


def _named(pairs: list[str], fields: Mapping[str, Any]) -> dict[str, str]:
    named: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not equals or not column or name not in fields:
            raise CommandError(f"--map {pair}: write FIELD=COLUMN. Fields: {', '.join(fields)}.")
        named[name] = column
    return named
