"""Taking in a whole library, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from circulation.imports.branches import branches, categories
from circulation.imports.catalogue import Catalogue
from circulation.imports.files import is_challenge
from circulation.imports.formats import csv_rows
from circulation.imports.formats.reading import File
from circulation.imports.formats.rows import Items
from circulation.imports.formats.spool import Spool
from circulation.imports.loading import Kind
from circulation.imports.members import Members
from circulation.imports.people import People
from circulation.imports.titles import Titles
from circulation.imports.whole.copies import Copies
from circulation.imports.whole.evergreen import Evergreen
from circulation.imports.whole.folder import KINDS, Folder
from circulation.imports.whole.loans import Loans
from circulation.imports.whole.references import References
from circulation.imports.whole.reservations import Reservations
from circulation.imports.whole.terms import BranchRows, Policies
from circulation.models import Loan
from events.exceptions import DomainError
from events.operations import is_rehearsing
from library.lookups import imported_from
from library.models import Book
from library.services import main_branch
from reservations.services import settle_titles
from reservations.titles import withdraw_title

_FROM_EVERGREEN: dict[str, tuple[str, Callable[[Evergreen], Items]]] = {
    "titles": ("bibs", Evergreen.titles),
    "copies": ("copies", Evergreen.copies),
    "members": ("patrons", Evergreen.members),
    "loans": ("circulations", Evergreen.loans),
    "reservations": ("holds", Evergreen.reservations),
}


class Step(NamedTuple):
    """One file, and what takes its rows in."""

    file: File
    table: str | None
    kind: Kind[Any, Any]


class WholeLibrary:
    """`source` is what the system is called that the files come from."""

    def __init__(self, folder: Folder, *, source: str) -> None:
        self._folder, self._source = folder, source
        places, groups = branches(), categories()
        has_copies = bool(folder.tables["copies"] or "copies" in folder.evergreen)
        catalogue = Catalogue(source=source, branches=places, copies=0 if has_copies else 1)
        people = People(source=source, branches=places, categories=groups)
        references = References(source, catalogue, people)
        zone = ZoneInfo(main_branch().time_zone)
        self._reservations = Reservations(references, places, zone=zone)
        self._kinds: dict[str, Kind[Any, Any]] = {
            "branches": BranchRows(places),
            "policies": Policies(groups),
            "titles": catalogue,
            "copies": Copies(references, places),
            "members": people,
            "loans": Loans(references, zone=zone),
            "reservations": self._reservations,
        }
        self._evergreen = Evergreen({name: file.items for name, file in folder.evergreen.items()})

    def steps(self) -> Iterator[Step]:
        """In the order in which they need each other."""
        for name in KINDS:
            for file, table in self._folder.tables[name]:
                yield Step(file, table, self._kind(name, file.items.names(table)))
            origin, rows = _FROM_EVERGREEN.get(name, ("", None))
            if rows and (read := self._folder.evergreen.get(origin)):
                with Spool() as translated:
                    for item in rows(self._evergreen):
                        translated.add(item)
                    yield Step(File(read.path, csv_rows.rows, translated), None, self._kinds[name])

    def finish(self, *, at: datetime) -> list[str]:
        """Withdraw what was only marked as deleted, and serve the lines. Returns what there is to say."""
        told: list[str] = []
        if is_rehearsing():
            return told
        deleted = Book.objects.held().filter(imported_from([self._source], self._evergreen.deleted_titles))
        for book in deleted:
            if Loan.objects.active().filter(book=book).exists():
                told.append(f"“{book}” was deleted in Evergreen, but a copy is on loan: kept.")
                continue
            with suppress(DomainError):
                withdraw_title(book_id=book.pk, at=at)
                told.append(f"“{book}” was deleted in Evergreen: withdrawn.")
        if touched := sorted(self._reservations.touched):
            ready = settle_titles(touched, at=at)
            told.append(f"Titles with a line: {len(touched)}. Copies given to those first in it: {len(ready)}.")
        return told

    def _kind(self, name: str, columns: tuple[str, ...]) -> Kind[Any, Any]:
        """Files of the reservation challenge bring ids of their own, and are strict about their columns."""
        if name == "titles" and is_challenge(columns, "bookname"):
            return Titles()
        if name == "members" and is_challenge(columns, "membername"):
            return Members()
        return self._kinds[name]
