"""Titles and their copies from files of any kind."""

from collections.abc import Mapping

from circulation.imports.branches import branches
from circulation.imports.catalogue import Catalogue
from circulation.imports.columns import TITLE
from circulation.imports.command import AnyKind, FileImport, is_challenge
from circulation.imports.formats.reading import File
from circulation.imports.titles import Titles


class Command(FileImport):
    help = (
        "Imports titles from CSV, MARC 21 (MARC-8 or UTF-8), MARCXML, JSON and SQL files; what kind a file is, its "
        "content tells. Another run changes what differs and adds copies; it never takes any away. docs/import.md "
        "says more. Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    table = Catalogue.table
    fields = TITLE

    def kind_for(self, file: File, columns: tuple[str, ...], named: Mapping[str, str], source: str) -> AnyKind:
        if not named and is_challenge(columns, "bookname"):
            return Titles()
        return Catalogue(source=source, branches=branches(), named=named)
