"""Which titles a query id means: by ISBN, by the barcode of a copy, by address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from integrations.daia.exceptions import InvalidRequest
from library.isbn import normalised
from library.lookups import titles_with_isbn
from library.models import BARCODE, Copy

MOST = 100  # identifiers in a request

_ADDRESS = re.compile(r"(?i:https?)://([^/]+)/api/books/([0-9]{1,18})/?")
_ISBN = re.compile(r"(?i:(?:urn:)?isbn:)(.*)")
_BARCODE = re.compile(rf"(?:(?i:barcode:)\s*)?({BARCODE})")


@dataclass(frozen=True)
class Meaning:
    """What an identifier may mean. Without a prefix digits may be an ISBN and a barcode."""

    book_id: int | None = None
    isbn: str = ""
    barcode: str = ""


def split(query_id: str) -> list[str]:
    """The identifiers between the vertical bars, each once, in their order. Raises InvalidRequest for too many."""
    found = list(dict.fromkeys(part for part in query_id.split("|") if part.strip()))
    if len(found) > MOST:
        raise InvalidRequest(f"At most {MOST} identifiers can be asked for at once. These are {len(found)}.")
    return found


def meaning(identifier: str, *, host: str) -> Meaning:
    """What an identifier means, if anything, at a service that is known by this host."""
    text = identifier.strip()
    if address := _ADDRESS.fullmatch(text):
        is_ours = address[1].lower() == host.lower()
        return Meaning(book_id=int(address[2])) if is_ours else Meaning()
    if isbn := _ISBN.fullmatch(text):
        return Meaning(isbn=_isbn(isbn[1]))
    barcode = _BARCODE.fullmatch(text)
    return Meaning(isbn=_isbn(text), barcode=barcode[1] if barcode else "")


def titles_meant(identifiers: Iterable[str], *, host: str) -> dict[str, list[int]]:
    """The ids of the titles that each identifier means, in at most two statements.

    None for what means nothing. Two, where digits are the ISBN of one title and the barcode of a copy of another.
    Whether there is a title of that id remains to be asked.
    """
    meanings = {identifier: meaning(identifier, host=host) for identifier in identifiers}
    isbns = {each.isbn for each in meanings.values()} - {""}
    barcodes = {each.barcode for each in meanings.values()} - {""}
    by_isbn = dict(titles_with_isbn(isbns).values_list("isbn", "pk"))
    # A copy that was withdrawn is no more.
    copies = Copy.objects.exclude(status=Copy.Status.WITHDRAWN).filter(barcode__in=barcodes)
    by_barcode = dict(copies.values_list("barcode", "book"))
    return {
        identifier: list(
            dict.fromkeys(
                book_id
                for book_id in (each.book_id, by_isbn.get(each.isbn), by_barcode.get(each.barcode))
                if book_id is not None
            )
        )
        for identifier, each in meanings.items()
    }


def _isbn(text: str) -> str:
    """Thirteen digits, or nothing."""
    try:
        return normalised(text)
    except ValueError:
        return ""
