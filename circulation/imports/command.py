"""What the import commands share: the arguments, the order of work, and the words."""

from __future__ import annotations

import logging
import shlex
import sys
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from circulation.imports.files import (
    AnyKind,
    Importable,
    Ready,
    columns_named,
    printable,
    ready,
    source_of,
    source_said,
)
from circulation.imports.formats.reading import File, read
from circulation.imports.formats.rows import FileError, Refused
from circulation.imports.loading import Report, Told, load
from circulation.imports.refused import RefusedRows
from circulation.progress import bar
from events.exceptions import DomainError
from events.operations import rehearsing, told_by_postgresql


class Import(BaseCommand):
    """Takes files in. Whatever cannot be taken in is told by file and line, the rest goes in."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would happen, and change nothing.")
        parser.add_argument(
            "--source", metavar="NAME", help="What the system is called that the records come from; else as the file."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for stream in (sys.stdout, sys.stderr):  # a terminal that has no “ must not end an import
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        # That a connection was lost is told below, in words of ours.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        go_on = "What went in before stays; run the import again to go on."
        if options["dry_run"]:
            go_on = "Nothing was changed."
        try:
            with rehearsing() if options["dry_run"] else nullcontext():
                reports = self.run(options)
        except DomainError as problem:
            raise CommandError(f"{problem} {go_on}") from problem
        except (InterfaceError, OperationalError) as problem:
            raise CommandError(f"{told_by_postgresql(problem)} {go_on}") from problem
        except OSError as problem:
            raise CommandError(f"{problem.strerror or problem}: {problem.filename or 'a file'}. {go_on}") from problem
        except KeyboardInterrupt as stop:
            raise CommandError(f"Stopped. {go_on}") from stop
        if options["dry_run"]:
            self.say("This was a rehearsal: nothing was changed.")
        if refused := sum(report.counts["refused"] for report in reports):
            raise CommandError("1 row was refused." if refused == 1 else f"{refused} rows were refused.")

    @abstractmethod
    def run(self, options: dict[str, Any]) -> list[Report]:
        """Take in what the options name. Raises CommandError before anything is changed."""

    def load(
        self, file: File, kind: AnyKind, *, table: str | None = None, refused: Path | None = None, again: str = ""
    ) -> Report:
        """Take in one file. `refused` is where to write the rows that did not make it, `again` how to import that."""
        with ExitStack() as stack:
            rows = stack.enter_context(_opened(refused, file, kind)) if refused else None
            progress = stack.enter_context(bar(f"Importing {file.path.name}", total=len(file.items), unit=" rows"))
            report = load(
                kind,
                file.items,
                at=timezone.now(),
                tell=self._teller(file.path, rows),
                progress=progress.update,
                table=table,
            )
        self.say(f"{file.path}: {report}.")
        if rows and rows.count:
            self.say(
                f"{rows.count} of {report.counts['refused']} refused rows are in {refused}. Mend them, then: {again}"
            )
        return report

    def say(self, line: str, *, refusal: bool = False) -> None:
        """Write a line, in which nothing of a file can do more than be read."""
        (self.stderr if refusal else self.stdout).write(printable(line))

    def _teller(self, path: Path, rows: RefusedRows | None) -> Callable[[Told], None]:
        def tell(told: Told) -> None:
            if isinstance(told, Refused):
                self.say(f"{path}:{told.line}: {told.reason}", refusal=True)
                if rows:
                    rows.add(told)
            else:
                self.say(f"{path}:{told.line}: {told.text}")

        return tell


class FileImport(Import):
    """Imports files of one kind of record."""

    of: ClassVar[Importable]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        super().add_arguments(parser)
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help=f"Which column holds a field. Fields: {', '.join(self.of.fields)}. May be given several times.",
        )
        parser.add_argument(
            "--refused", type=Path, metavar="FILE", help="Where to write the rows that are refused, to be mended."
        )

    def run(self, options: dict[str, Any]) -> list[Report]:
        try:
            named = columns_named(options["map"], self.of.fields)
        except ValueError as problem:
            raise CommandError(f"--map {problem}") from problem
        refused: Path | None = options["refused"]
        if refused is not None:
            _expect_free(refused)
            if len(options["files"]) > 1:
                raise CommandError("--refused is for one file at a time.")
        files: list[Ready] = []
        problems: list[str] = []
        with ExitStack() as stack:
            for path in options["files"]:
                try:
                    file = read(path, named)
                    stack.callback(file.items.close)
                    files.append(ready(self.of, file, named, source_named(path, options["source"])))
                except FileError as problem:
                    problems.append(printable(f"{path} {problem}"))
            if problems:
                raise CommandError("\n".join(problems) + " Nothing was changed.")
            return [self._load(*one, refused=refused, options=options) for one in files]

    def _load(
        self,
        file: File,
        kind: AnyKind,
        table: str | None,
        notes: list[str],
        *,
        refused: Path | None,
        options: dict[str, Any],
    ) -> Report:
        for note in notes:
            self.say(f"{file.path}: {note}")
        words = [self.__module__.rpartition(".")[2], str(refused)]
        words += [word for pair in options["map"] for word in ("--map", pair)]
        words += ["--source", kind.source] if kind.source else []
        return self.load(file, kind, table=table, refused=refused, again=runnable(*words))


def runnable(*words: str) -> str:
    """A command of manage.py as it can be typed in where we are."""
    python, here = Path(sys.executable), Path.cwd()
    shown = python.relative_to(here) if python.is_relative_to(here) else "python"
    return shlex.join([str(shown), "manage.py", *words])


def source_named(path: Path, option: str | None) -> str:
    """What the records of a file are from, unless they say it themselves. Raises CommandError."""
    if option is None:
        return source_of(path.resolve().name)
    try:
        return source_said(option)
    except ValueError as problem:
        raise CommandError(f"--source: {problem}") from problem


def _opened(path: Path, file: File, kind: AnyKind) -> RefusedRows:
    return RefusedRows(path, file.reader, source=kind.source)


def _expect_free(path: Path) -> None:
    """Raises CommandError for a place where no new file can be made."""
    if path.exists() or path.is_symlink():
        raise CommandError(f"--refused: {path} is there already. Name a new file.")
    try:
        path.open("xb").close()
        path.unlink()
    except OSError as error:
        raise CommandError(f"--refused: {path} cannot be written: {error.strerror}.") from error
