"""Columns by the names that library systems give them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from circulation.imports.formats.rows import REASON, FileError, Row

# Fields in which NULL may be a name.
_NAMES = ("title", "authors", "name", "first_name", "last_name")
_MOST_SHAPES = 100  # of rows that are remembered; in JSON each may have other names
_MARKS = re.compile(r"[\W_]+")

# Field -> the names of its column, as `folded` leaves them; of several in a file, the first one counts.
# `circdesk_id` is the id in another Circdesk, which is kept; any other id only tells records of one system apart.
TITLE = {
    "circdesk_id": ("circdeskid",),
    "title": ("title", "booktitle", "maintitle", "titleproper", "originaltitle"),
    "authors": ("authors", "author", "authornames", "authorname", "bookauthor", "creator", "creators", "mainauthor"),
    "isbn13": ("isbn13", "ean", "ean13"),
    "isbn": ("isbn", "isbn10", "isbns"),
    "publisher": ("publisher", "publishername", "publishercode"),
    "category": ("category", "genre", "bookcategory", "itemtype", "materialtype"),
    "language": ("language", "languagecode", "lang"),
    "published_year": (
        "publishedyear", "year", "publicationyear", "yearofpublication", "originalpublicationyear", "pubyear",
        "copyrightdate", "publicationdate", "publisheddate", "datepublished",
    ),
    "copies": ("copies", "numberofcopies", "copycount", "quantity", "qty", "stock"),
    "barcodes": ("barcodes", "barcode"),
    "branch": ("branch", "library", "homebranch", "branchcode", "branchname"),
    "in_circulation": ("incirculation",),
    "source": ("source",),
    "id": (
        "sourceid", "id", "bookid", "bibid", "biblionumber", "bibnumber", "recordid", "titleid", "controlnumber",
    ),
}  # fmt: skip
MEMBER = {
    "circdesk_id": ("circdeskid",),
    "card_number": ("cardnumber", "card", "librarycard", "cardno", "patronbarcode", "barcode"),
    "first_name": ("firstname", "givenname", "forename", "firstgivenname"),
    "last_name": ("lastname", "surname", "familyname"),
    "name": ("name", "fullname", "membername", "patronname", "patron"),
    "email": ("email", "emailaddress", "mail"),
    "category": ("category", "membercategory", "patroncategory", "categorycode", "membershiptype", "patrontype"),
    "branch": ("branch", "library", "homebranch", "branchcode", "homelibrary", "branchname"),
    "expires_on": ("expireson", "expirydate", "expirationdate", "expires", "dateexpiry", "expiredate"),
    "blocked_reason": ("blockedreason", "blocked"),
    "source": ("source",),
    "id": ("sourceid", "id", "memberid", "patronid", "borrowernumber", "userid", "borrowerid"),
}
_WHICH_TITLE = {
    "circdesk_book_id": ("circdeskbookid",),
    "book": ("book", "bookid", "bibid", "biblionumber", "titleid", "recordid", "record"),
}
_WHICH_MEMBER = {
    "card_number": ("cardnumber", "card", "librarycard", "patronbarcode"),
    "member": ("member", "memberid", "patronid", "patron", "borrowernumber", "userid"),
}
COPY = {
    "barcode": ("barcode", "itembarcode", "itemnumber"),
    **_WHICH_TITLE,
    "branch": ("branch", "library", "homebranch", "branchcode", "branchname", "location"),
    "status": ("status",),
}
LOAN = {
    "barcode": ("barcode", "itembarcode"),
    **_WHICH_MEMBER,
    "lent_at": ("lentat", "issuedate", "checkoutdate", "loandate", "borrowedat"),
    "due_at": ("dueat", "duedate", "datedue"),
    "returned_at": ("returnedat", "returndate", "checkindate"),
    "renewals": ("renewals", "renewalscount"),
}
RESERVATION = {
    **_WHICH_TITLE,
    **_WHICH_MEMBER,
    "placed_at": ("placedat", "reservedate", "requestdate", "requesttime", "reservedat"),
    "status": ("status",),
    "priority": ("priority",),
    "needed_by": ("neededby", "expirationdate"),
    "branch": ("branch", "pickupbranch", "branchcode"),
    "barcode": ("barcode",),
    "shelf_until": ("shelfuntil",),
}
BRANCH = {
    "name": ("name", "branch", "branchname"),
    "time_zone": ("timezone",),
    "closing_times": ("closingtimes",),
    "closed_on": ("closedon",),
}
POLICY = {
    "member_category": ("membercategory",),
    "book_category": ("bookcategory",),
    **{
        name: (name.replace("_", ""),)
        for name in (
            "loan_days", "max_loans", "max_renewals", "max_reservations", "shelf_days", "lend_while_overdue",
        )
    },
}  # fmt: skip

_ALL = (TITLE, MEMBER, COPY, LOAN, RESERVATION, BRANCH, POLICY)
KNOWN = {name for fields in _ALL for names in fields.values() for name in names} | {
    # The challenge data of the reservation desk.
    "bookname", "numberofcopies", "membername",
}  # fmt: skip


def folded(name: str) -> str:
    """A column's name without case, spaces and punctuation."""
    return _MARKS.sub("", name).casefold()


class Columns:
    """Finds the fields of a kind of record in rows.

    `named` gives columns for fields whose names say nothing, as the file writes them.
    """

    def __init__(self, fields: Mapping[str, Sequence[str]], named: Mapping[str, str] | None = None) -> None:
        self._fields = fields
        self._named = dict(named or {})
        self._places: dict[tuple[str, ...], dict[str, int]] = {}  # of each field, by the names of a row

    def __getitem__(self, row: Row) -> dict[str, Any]:
        """The values of a row by field. What is null or blank is left out; of a list the parts are joined."""
        places = self._places_of(row.names)
        # What another Circdesk wrote is taken word for word.
        is_ours = any(field.startswith("circdesk") for field in places)
        values: dict[str, Any] = {}
        for field, place in places.items():
            value = row.pairs[place][1]
            if isinstance(value, list) and all(isinstance(part, str | int) for part in value):
                value = "; ".join(map(str, value))
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            if not is_ours and (value == r"\N" or (value == "NULL" and field not in _NAMES)):
                continue
            values[field] = value
        return values

    def given(self, names: tuple[str, ...]) -> set[str]:
        """The fields that there are columns for."""
        return set(self._places_of(names))

    def unused(self, names: tuple[str, ...]) -> list[str]:
        """The names of columns that tell nothing of use here."""
        used = set(self._places_of(names).values())
        return [name for place, name in enumerate(names) if place not in used and folded(name) != folded(REASON)]

    def expect(self, names: tuple[str, ...]) -> None:
        """Raises FileError if a column that was named is not there."""
        for name in self._named.values():
            if name not in names:
                raise FileError(f"has no column “{name}”. Its columns are {listed(names)}.")

    def _places_of(self, names: tuple[str, ...]) -> dict[str, int]:
        places = self._places.get(names)
        if places is None:
            by_name: dict[str, int] = {}
            for place, name in enumerate(names):
                by_name.setdefault(folded(name), place)
            taken = set(self._named.values())
            places = {field: names.index(name) for field, name in self._named.items() if name in names}
            for field, known in self._fields.items():
                found = (by_name[name] for name in known if name in by_name and names[by_name[name]] not in taken)
                if field not in places and (first := next(found, None)) is not None:
                    places[field] = first
            if len(self._places) < _MOST_SHAPES:
                self._places[names] = places
        return places


def listed(names: Collection[str], most: int = 30) -> str:
    """Names for a message, not too many of them."""
    shown = [name if len(name) <= 60 else f"{name[:60]}..." for name in list(names)[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "")
