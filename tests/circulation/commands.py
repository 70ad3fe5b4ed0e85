"""Running a management command in a test: what it wrote, and how it ended."""

from dataclasses import dataclass
from io import StringIO

from django.core.management import CommandError, call_command

from library.models import Book


@dataclass(frozen=True)
class Ran:
    """Lines to standard output and to standard error; the last words of a command that ended with 1, else None."""

    out: list[str]
    err: list[str]
    failure: str | None


def run(name, *arguments, **options) -> Ran:
    out, err = StringIO(), StringIO()
    try:
        call_command(name, *map(str, arguments), stdout=out, stderr=err, no_color=True, **options)
        failure = None
    except CommandError as error:
        failure = str(error)
    return Ran(out.getvalue().splitlines(), err.getvalue().splitlines(), failure)


def told(ran: Ran, path) -> list[str]:
    """What was said about the rows of a file that were refused, without its path."""
    return [line.removeprefix(f"{path}:") for line in ran.err]


def titles() -> dict[int, tuple[str, int]]:
    """Every title by its id, and how many copies it has."""
    return {book.pk: (book.title, book.copies.count()) for book in Book.objects.order_by("pk")}
