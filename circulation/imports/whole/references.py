"""Which title, copy and member a row speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from circulation.imports.catalogue import Catalogue
from circulation.imports.fields import HIGHEST_KEPT_ID, whole_number, words
from circulation.imports.formats.rows import RowError
from circulation.imports.people import People
from library.exceptions import BookNotFound, MemberNotFound
from library.lookups import imported_from
from library.models import Book, Copy, Member


class Reference(NamedTuple):
    """How a row names a title or a member: by the id of another Circdesk, by card, or by the id in its system."""

    by: str
    value: str | int


def title_in(values: Mapping[str, Any]) -> Reference:
    """Raises RowError if the row names no title."""
    if "circdesk_book_id" in values:
        number = whole_number("circdesk_book_id", values["circdesk_book_id"], lowest=1, highest=HIGHEST_KEPT_ID)
        return Reference("circdesk_id", number)
    if "book" in values:
        return Reference("id", words("book", values["book"], longest=120))
    raise RowError("There is no title: book.")


def member_in(values: Mapping[str, Any]) -> Reference:
    """Raises RowError if the row names no member."""
    if "card_number" in values:
        return Reference("card", words("card_number", values["card_number"], longest=64).strip())
    if "member" in values:
        return Reference("id", words("member", values["member"], longest=120))
    raise RowError("There is no member: card_number or member.")


@contextmanager
def naming_what_is_gone() -> Iterator[None]:
    """What was found, but is gone when it is locked, or was withdrawn, is told without the id that it has here."""
    try:
        yield
    except BookNotFound as gone:
        raise RowError("The title was withdrawn here.") from gone
    except MemberNotFound as gone:
        raise RowError("The member was removed here.") from gone


class References:
    """Finds the records that were taken in before. What was refused is not found, even if another has its number."""

    def __init__(self, source: str, catalogue: Catalogue, people: People) -> None:
        self._source, self._catalogue, self._people = source, catalogue, people
        self.refused_copies: set[str] = set()

    def titles(self, wanted: Iterable[Reference]) -> dict[Reference, int]:
        """Their ids here. Raises RowError for one that is not there."""
        refs = set(wanted)
        here = {str(ref.value) for ref in refs if ref.by == "id"}
        books = Book.objects.filter(imported_from([self._source], here))
        by_source_id = dict(books.values_list("source_id", "pk"))
        kept_ids = [ref.value for ref in refs if ref.by != "id"]
        by_id = {pk: pk for pk in Book.objects.filter(pk__in=kept_ids).values_list("pk", flat=True)}
        if self._catalogue.ids:  # the titles came with theirs: others that have such a number are not meant
            by_id = {pk: pk for pk in by_id if pk in self._catalogue.ids}
        found: dict[Reference, int] = {}
        for ref in refs:
            key = self._key(ref)
            known = by_source_id.get(str(ref.value)) if ref.by == "id" else by_id.get(int(ref.value))
            known = known or self._catalogue.of_isbn.get(key)
            if key in self._catalogue.refused:
                raise RowError(f"Title {ref.value} of these files was refused.")
            if known is None:
                raise RowError(f"There is no title {ref.value} here.")
            found[ref] = known
        return found

    def members(self, wanted: Iterable[Reference]) -> dict[Reference, int]:
        """Their ids here. Raises RowError for one who is not there."""
        refs = set(wanted)
        here = {str(ref.value) for ref in refs if ref.by == "id"}
        cards = {str(ref.value) for ref in refs if ref.by == "card"}
        by_source_id = Member.objects.filter(imported_from([self._source], here)).values_list("source_id", "pk")
        by_card = Member.objects.filter(card_number__in=cards).values_list("card_number", "pk")
        by = {"id": dict(by_source_id), "card": dict(by_card)}
        found: dict[Reference, int] = {}
        for ref in refs:
            key = self._key(ref)
            known = by[ref.by].get(str(ref.value)) or self._people.of_card.get(key)
            if key in self._people.refused:
                raise RowError(f"Member {ref.value} of these files was refused.")
            if known is None:
                raise RowError(f"There is no member {ref.value} here.")
            found[ref] = known
        return found

    def titles_of_copies(self, barcodes: Iterable[str]) -> dict[str, int]:
        """The ids of their titles. Raises RowError for a barcode that is not there."""
        wanted = set(barcodes)
        found = dict(Copy.objects.filter(barcode__in=wanted).values_list("barcode", "book_id"))
        for barcode in wanted:
            if barcode in self.refused_copies:
                raise RowError(f"Copy {barcode} of these files was refused.")
            if barcode not in found:
                raise RowError(f"There is no copy {barcode} here.")
        return found

    def _key(self, ref: Reference) -> str:
        if ref.by == "card":
            return str(ref.value)
        return f"{self._source}\0{ref.value}" if ref.by == "id" else f"#{ref.value}"
