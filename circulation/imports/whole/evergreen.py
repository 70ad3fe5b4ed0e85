"""The tables of an Evergreen library, as CSV with their columns: rows of ours, kind by kind.

biblio.record_entry, asset.call_number, asset.copy, actor.usr, action.circulation and action.hold_request, as
https://docs.evergreen-ils.org documents them. Records that Evergreen only marks as deleted come in withdrawn or
blocked, so that nothing is lent again that was removed, and nothing that was lent is lost.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from circulation.imports.formats.rows import Item, Items, Note, Refused, Row
from circulation.imports.formats.spool import Spool

# Which of Evergreen's tables a file is, by the columns that only it has.
TABLES = {
    "bibs": {"id", "tcn_value", "title"},
    "call_numbers": {"id", "record", "label", "owning_lib"},
    "copies": {"id", "call_number", "barcode", "circ_lib", "status"},
    "patrons": {"id", "usrname", "family_name"},
    "circulations": {"target_copy", "usr", "xact_start", "due_date"},
    "holds": {"usr", "hold_type", "target", "request_time"},
}
# config.copy_status, by id: what the copy is here, and why if that is not plain.
_STATUS = {
    "0": ("available", ""),
    "1": ("missing", "checked out, but there is no loan"),
    "2": ("missing", "at the bindery"),
    "3": ("lost", ""),
    "4": ("missing", ""),
    "5": ("missing", "in process"),
    "6": ("in_transit", ""),
    "7": ("available", ""),
    "8": ("available", ""),
    "9": ("missing", "on order"),
    "10": ("missing", "interlibrary loan"),
    "11": ("missing", "being catalogued"),
    "12": ("available", ""),
    "13": ("withdrawn", "discarded"),
    "14": ("damaged", ""),
    "15": ("available", ""),
    "16": ("lost", "long overdue"),
    "17": ("lost", "lost and paid"),
    "18": ("withdrawn", "cancelled"),
}
_ISBD = " /:;,="
_YES = ("1", "t", "true", "yes")

Values = Mapping[str, Any]


class Evergreen:
    """`tables` are the files that were read, by the names above."""

    def __init__(self, tables: Mapping[str, Spool]) -> None:
        self._tables = tables
        self._title_of_call_number = {v["id"]: v["record"] for v in self._all("call_numbers")}
        self._open_loans = {v["target_copy"] for v in self._all("circulations") if not v.get("checkin_time")}
        # What loans and holds need to know of copies: their barcode and title.
        self._copies = {
            v["id"]: (v["barcode"], self._title_of_call_number.get(v["call_number"], "")) for v in self._all("copies")
        }
        self.deleted_titles = [v["id"] for v in self._all("bibs") if _is(v.get("deleted"))]

    def titles(self) -> Items:
        for row in self._rows("bibs"):
            if isinstance(row, Row):
                bib = dict(row.pairs)
                yield _row(
                    row,
                    id=bib["id"],
                    title=_text(bib["title"]),
                    author=_text(bib.get("author", "")),
                    isbn=bib.get("isbn", ""),
                    copies="0",
                )
            else:
                yield row

    def copies(self) -> Items:
        told: Counter[str] = Counter()
        for row in self._rows("copies"):
            if not isinstance(row, Row):
                yield row
                continue
            copy = dict(row.pairs)
            title = self._title_of_call_number.get(copy["call_number"])
            if title is None:
                yield Refused(row.line, f"There is no call number {copy['call_number']}.")
                continue
            if not _is(copy.get("circulate", "1")):
                told["are not for loan, which this desk does not know: left out."] += 1
                continue
            status, reason = _STATUS.get(copy["status"], ("missing", f"status {copy['status']} of Evergreen"))
            if copy["id"] in self._open_loans:
                if status == "lost":
                    told["are lost by members who still have the loan: on loan here. Mark them lost."] += 1
                status, reason = "available", ""
            elif _is(copy.get("deleted")):
                status, reason = "withdrawn", "deleted in Evergreen"
            if status == "missing":
                told[f"are missing here ({reason or 'missing'}). Mark them found when they are on the shelf."] += 1
            yield _row(
                row,
                barcode=copy["barcode"],
                book=title,
                branch=_branch(copy["circ_lib"]),
                status=status,
                reason=reason,
            )
        for what, count in told.items():
            yield Note(1, f"{count} copies {what}")

    def members(self) -> Items:
        for row in self._rows("patrons"):
            if not isinstance(row, Row):
                yield row
                continue
            patron = dict(row.pairs)
            first = " ".join(patron[name] for name in ("first_given_name", "second_given_name") if patron.get(name))
            blocked = (
                "Deleted in Evergreen."
                if _is(patron.get("deleted"))
                else "Barred in Evergreen."
                if _is(patron.get("barred"))
                else ""
                if _is(patron.get("active", "1"))
                else "Inactive in Evergreen."
            )
            yield _row(
                row,
                id=patron["id"],
                card_number=patron["usrname"],
                first_name=first,
                last_name=patron["family_name"],
                email=patron.get("email", ""),
                category="juvenile" if _is(patron.get("juvenile")) else "standard",
                branch=_branch(patron.get("home_ou", "")),
                expires_on=patron.get("expire_date", ""),
                blocked_reason=blocked,
            )

    def loans(self) -> Items:
        for row in self._rows("circulations"):
            if not isinstance(row, Row):
                yield row
                continue
            loan = dict(row.pairs)
            if loan["target_copy"] not in self._copies:
                yield Refused(row.line, f"There is no copy {loan['target_copy']}.")
                continue
            yield _row(
                row,
                barcode=self._copies[loan["target_copy"]][0],
                member=loan["usr"],
                lent_at=loan["xact_start"],
                due_at=loan["due_date"],
                returned_at=loan.get("checkin_time", ""),
            )

    def reservations(self) -> Items:
        of_a_copy = 0
        for row in self._rows("holds"):
            if not isinstance(row, Row):
                yield row
                continue
            hold = dict(row.pairs)
            title = self._title_of_hold(hold)
            if title is None:
                reason = f"A hold of type {hold['hold_type']} on {hold['target']} names no title of this library."
                yield Refused(row.line, reason)
                continue
            of_a_copy += hold["hold_type"] in "CFR"
            has_ended = hold.get("fulfillment_time") or hold.get("cancel_time")
            is_ready = bool(hold.get("capture_time")) and hold.get("current_copy") in self._copies
            yield _row(
                row,
                book=title,
                member=hold["usr"],
                placed_at=hold["request_time"],
                status="cancelled"
                if has_ended
                else "ready"
                if is_ready
                else "suspended"
                if _is(hold.get("frozen"))
                else "waiting",
                priority="-1" if _is(hold.get("cut_in_line")) else "0",
                needed_by=hold.get("expire_time", ""),
                branch=_branch(hold.get("pickup_lib", "")),
                barcode=self._copies[hold["current_copy"]][0] if is_ready else "",
            )
        if of_a_copy:
            yield Note(1, f"{of_a_copy} holds on one certain copy became holds on its title.")

    def _title_of_hold(self, hold: Values) -> str | None:
        """Of a hold on a title, a volume or a copy; other types may be filled by several titles."""
        kind, target = hold["hold_type"], hold["target"]
        if kind == "T":
            return str(target)
        if kind == "V":
            return self._title_of_call_number.get(target)
        if kind in ("C", "F", "R"):
            return str(self._copies[target][1]) if target in self._copies else None
        return None

    def _rows(self, table: str) -> Iterator[Item]:
        yield from self._tables.get(table, ())

    def _all(self, table: str) -> Iterator[Values]:
        for row in self._rows(table):
            if isinstance(row, Row):
                yield dict(row.pairs)


def _row(row: Row, **pairs: str) -> Row:
    return Row(row.line, tuple(pairs.items()))


def _is(value: Any) -> bool:
    return str(value or "").strip().lower() in _YES


def _text(value: str) -> str:
    """Without the character references and closing punctuation of the catalogue record."""
    return html.unescape(value).rstrip(_ISBD)


def _branch(number: str) -> str:
    """Evergreen's table of branches is not among the files. They can be named in admin."""
    return f"Library {number}" if number else ""
