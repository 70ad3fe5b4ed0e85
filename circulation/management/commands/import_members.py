"""Members from files of any kind."""

from circulation.imports.command import FileImport
from circulation.imports.files import MEMBERS


class Command(FileImport):
    help = (
        "Imports members from CSV, JSON and SQL files; what kind a file is, its content tells. Another run changes "
        "what differs. docs/import.md says more. "
        "Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    of = MEMBERS
