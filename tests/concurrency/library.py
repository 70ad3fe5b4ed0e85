"""Titles and members as a library gets them, with their events; and what is wrong with it afterwards."""

from circulation.invariants import broken
from library.models import Book, Member
from library.services import add_title, enrol
from tests.factories import NOW, main_branch, standard_category


def new_title(copies: int = 1) -> Book:
    return add_title(title="A title", copies=copies, at=NOW)


def new_titles(count: int, copies: int = 1) -> list[Book]:
    return [new_title(copies) for _ in range(count)]


def new_member() -> Member:
    (member,) = new_members(1)
    return member


def new_members(count: int) -> list[Member]:
    where = {"branch": main_branch(), "category": standard_category()}
    return [enrol(first_name="Ada", at=NOW, **where) for _ in range(count)]


def violated() -> set[int]:
    """The numbers of the invariants that do not hold, see circulation/invariants.py."""
    return {violation.invariant for violation in broken(at=NOW)}
