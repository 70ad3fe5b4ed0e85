"""Titles and their copies from JSON or SQL files."""

from circulation.imports.command import ImportCommand
from circulation.imports.titles import Titles


class Command(ImportCommand):
    help = (
        'Imports titles from JSON files, [{"BookID": 1000, "BookName": "Emma", "NumberOfCopies": 2}, ...], or SQL '
        "files of INSERT INTO books (BookID, BookName, NumberOfCopies) VALUES (1000, 'Emma', 2), ...; which are read "
        "and never run. BookID becomes the title's id. Another run updates names and adds copies; it never takes any "
        "away. Ends with 1 if a row was refused, or a file cannot be read: then nothing is changed."
    )
    kind = Titles()
