"""What the import commands share: the arguments, the order of work, and the words."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import OperationalError
from django.utils import timezone

from circulation.imports.files import read_text, rows_of
from circulation.imports.loading import Kind, Report, load
from circulation.imports.rows import FileError, Item, Refused
from events.exceptions import DomainError

SILENT_FOR = 2.0  # seconds before progress is shown
EVERY = 0.2  # seconds between its changes


class ProgressLine:
    """One line on a terminal, rewritten while something takes long. Elsewhere, and for short work, nothing."""

    def __init__(self, out: OutputWrapper, what: str) -> None:
        self._out, self._what = out, what
        self._next = time.monotonic() + SILENT_FOR
        self._shown = False

    def show(self, done: int, total: int) -> None:
        if time.monotonic() < self._next or not self._out.isatty():
            return
        self._next = time.monotonic() + EVERY
        self._shown = True
        self._out.write(f"\r{self._what}: {100 * done // max(total, 1)}%", ending="")
        self._out.flush()

    def clear(self) -> None:
        if self._shown:
            self._out.write("\r" + " " * (len(self._what) + 6) + "\r", ending="")


class ImportCommand(BaseCommand):
    """Imports one kind of record. Whatever cannot be taken in is told by file and line, the rest goes in."""

    kind: ClassVar[Kind[Any, Any]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        reports: list[Report] = []
        try:
            for path, items in self._read_all(options["files"]).items():
                reports.append(self._load(path, items))
        except (DomainError, OperationalError) as problem:
            raise CommandError(f"{problem} What went in before stays; run the import again to go on.") from problem
        except KeyboardInterrupt as stop:
            raise CommandError("Stopped. What went in before stays; run the import again to go on.") from stop
        if refused := sum(report.counts["refused"] for report in reports):
            raise CommandError("1 row was refused." if refused == 1 else f"{refused} rows were refused.")

    def _read_all(self, paths: list[Path]) -> dict[Path, list[Item]]:
        """All the files, before anything is written. Raises CommandError with a line for each that is unreadable."""
        contents: dict[Path, list[Item]] = {}
        problems: list[str] = []
        for path in paths:
            line = ProgressLine(self.stdout, f"Reading {path}")
            try:
                text = read_text(path)
                contents[path] = list(rows_of(text, partial(line.show, total=len(text))))
            except FileError as problem:
                problems.append(f"{path} {problem}")
            finally:
                line.clear()
        if problems:
            raise CommandError("\n".join(problems) + " Nothing was changed.")
        return contents

    def _load(self, path: Path, items: list[Item]) -> Report:
        line = ProgressLine(self.stdout, f"Importing {path}")
        try:
            report = load(self.kind, items, at=timezone.now(), progress=line.show)
        finally:
            line.clear()
        for told in report.told:
            if isinstance(told, Refused):
                self.stderr.write(f"{path}:{told.line}: {told.reason}")
            else:
                self.stdout.write(f"{path}:{told.line}: {told.text}")
        self.stdout.write(f"{path}: {report}.")
        return report
