"""Members from JSON or SQL files."""

from circulation.imports.command import ImportCommand
from circulation.imports.members import Members


class Command(ImportCommand):
    help = (
        'Imports members from JSON files, [{"MemberID": 2000, "MemberName": "Ada Lovelace"}, ...], or SQL files of '
        "INSERT INTO members (MemberID, MemberName) VALUES (2000, 'Ada Lovelace'), ...; which are read and never run. "
        "MemberID becomes the member's id. Another run updates names. "
        "Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    kind = Members()
