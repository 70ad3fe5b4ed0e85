"""Titles and their copies from files of any kind."""

from circulation.imports.command import FileImport
from circulation.imports.files import BOOKS


class Command(FileImport):
    help = (
        "Imports titles from CSV, MARC 21 (MARC-8 or UTF-8), MARCXML, JSON and SQL files; what kind a file is, its "
        "content tells. Another run changes what differs and adds copies; it never takes any away. docs/import.md "
        "says more. Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    of = BOOKS
