"""Rows from catalogue records: MARC 21 in its exchange format (ISO 2709), and MARCXML.

https://www.loc.gov/marc/bibliographic/ says what the fields mean. Item data is read where Koha (952) and the MARC
holdings format (852) put barcodes.
"""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any
from xml.sax import SAXException  # nosec B406  # the parser is defusedxml's
from xml.sax.handler import feature_namespaces  # nosec B406  # likewise

from defusedxml import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser
from pymarc import Field, Record, XmlHandler, record_to_xml
from pymarc.exceptions import BadSubfieldCodeWarning, PymarcException

from circulation.imports.formats.rows import LONGEST, TOO_LONG, FileError, Items, Refused, Row
from circulation.imports.formats.source import Source

_CHUNK = 65_536
# What 887 may say of a title; the copies stand in 852.
_OURS = {
    "circdesk_id", "title", "authors", "isbn", "publisher", "category", "language", "published_year", "in_circulation",
    "source", "source_id", "copies",
}  # fmt: skip

# It tells of what it puts right, without the record in which that stands.
logging.getLogger("pymarc").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=BadSubfieldCodeWarning)
_LEADER = re.compile(rb"\d{5}[a-z][a-z].{3}22\d{5}.{3}4500", re.DOTALL)
_XML = re.compile(
    r"\s*(<\?xml.*?\?>)?(\s|<!--.*?-->|<!DOCTYPE[^>\[]*(\[.*?\])?\s*>)*<([\w.-]+:)?(collection|record)\b", re.DOTALL
)

# The punctuation with which cataloguing rules (ISBD) end a part of the description.
_ISBD = " /:;,="
_ISBN = re.compile(r"[0-9][0-9 -]{7,16}[0-9Xx]")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")


def recognises_exchange(head: bytes) -> bool:
    """Whether bytes begin like the leader of an ISO 2709 record."""
    return bool(_LEADER.match(head.lstrip()))


def recognises_xml(text: str) -> bool:
    """Whether a text begins like a MARCXML collection or record."""
    return bool(_XML.match(text))


def exchange_rows(source: Source) -> Items:
    """Each record of an ISO 2709 file, in MARC-8 or UTF-8, numbered from 1. Raises FileError."""
    with source.binary() as file:
        number = 0
        while True:
            number += 1
            beginning = file.read(5)
            while beginning[:1] in (b"\r", b"\n", b" "):  # some systems put line breaks between records
                beginning = beginning.lstrip() + file.read(1)
                if not beginning:
                    break
            if not beginning.strip(b"\r\n \x1a\0"):
                return
            if not beginning.isdigit() or len(beginning) < 5:
                raise FileError(f"is damaged: record {number} does not begin with its length.")
            length = int(beginning)
            data = beginning + file.read(max(length - 5, 0))
            if length < 25 or len(data) < length:
                raise FileError(f"breaks off in record {number}. Is the file complete?")
            if data[-1:] != b"\x1d":
                raise FileError(f"is damaged: record {number} does not end where its leader says.")
            yield _of_exchange(number, data)


def xml_rows(source: Source) -> Items:
    """Each record of a MARCXML file, numbered from 1. Raises FileError."""
    records = _Records()
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(records)
    number = 0
    try:
        with source.binary() as file:
            while chunk := file.read(_CHUNK):
                parser.feed(chunk)
                records.expect_moderation(len(chunk))
                for record in records.take():
                    number += 1
                    yield _of_record(number, record)
        parser.close()
    except DefusedXmlException as error:
        raise FileError("is XML with a document type of its own, which is not read here.") from error
    except (KeyError, PymarcException) as error:
        raise FileError(f"is not MARCXML: record {number + 1} lacks a part or has a strange one ({error}).") from error
    except LookupError as error:
        raise FileError(f"is XML in an encoding that is not known here ({error}).") from error
    except SAXException as error:
        line = parser.getLineNumber()
        raise FileError(f"is not well-formed XML in line {line}. Is the file complete?") from error
    for record in records.take():
        number += 1
        yield _of_record(number, record)
    if not number:
        raise FileError("is XML without MARC records.")


class _Records(XmlHandler):
    """Collects records as they end."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._done: list[Record] = []
        self._since = 0  # characters since the last element began or ended
        self._length = 0  # of this record

    def startElementNS(self, name: Any, qname: Any, attrs: Any) -> None:  # noqa: N802  # as SAX names it
        self._since = 0
        super().startElementNS(name, qname, attrs)  # type: ignore[no-untyped-call]

    def endElementNS(self, name: Any, qname: Any) -> None:  # noqa: N802
        self._since = 0
        super().endElementNS(name, qname)  # type: ignore[no-untyped-call]

    def process_record(self, record: Record) -> None:
        self._done.append(record)
        self._length = 0

    def expect_moderation(self, characters: int) -> None:
        self._since += characters
        self._length += characters
        if self._since > LONGEST or self._length > 2 * LONGEST:  # it counts what goes before it in the same piece
            raise FileError(f"cannot be read: a record or an element {TOO_LONG}.")

    def take(self) -> list[Record]:
        done, self._done = self._done, []
        return done


def _of_exchange(number: int, data: bytes) -> Row | Refused:
    try:
        record = Record(
            data, to_unicode=True, force_utf8=_is_utf8(data), hide_utf8_warnings=True, utf8_handling="strict"
        )
    except (PymarcException, ValueError, IndexError):
        return Refused(number, "The record is damaged: its directory or its text.", row=Row(number, (), record=data))
    return _of_record(number, record, data)


def _is_utf8(data: bytes) -> bool:
    """Position 9 of the leader should tell, and is often wrong. Text in MARC-8 is hardly ever valid UTF-8."""
    try:
        return not data.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def _of_record(number: int, record: Record, data: bytes = b"") -> Row:
    items = tuple(_items(record))
    ours = _ours(record)
    pairs: tuple[tuple[str, Any], ...] = (
        ("title", _title(record)),
        ("authors", _authors(record)),
        ("isbn", "; ".join(_isbns(record))),
        ("publisher", _trimmed(_first(record, ("264", "260"), "b"))),
        ("language", _language(record)),
        ("published_year", _year(record)),
        ("source_id", _control(record, "001")),
        ("source", _control(record, "003")),
        ("items", items),
    )
    if ours:
        pairs = (*ours, ("items", items))
    xml = data or record_to_xml(record, namespace=True)  # type: ignore[no-untyped-call]
    return Row(number, tuple(pair for pair in pairs if pair[1] not in ("", ())), record=xml)


def _ours(record: Record) -> tuple[tuple[str, str | int | bool], ...]:
    """What an export of ours says of a title word for word, where MARC keeps what is not MARC (887)."""
    for field in record.get_fields("887"):
        if _subfield(field, "2") == "circdesk":
            try:
                title = json.loads(_subfield(field, "a"))
            except (ValueError, RecursionError):
                continue
            if isinstance(title, dict):
                plain = {name: value for name, value in title.items() if isinstance(value, str | int)}
                return tuple((name, value) for name, value in plain.items() if name in _OURS)
    return ()


def _control(record: Record, tag: str) -> str:
    field = record.get(tag)
    return (field.data or "").strip() if field is not None else ""


def _title(record: Record) -> str:
    field = record.get("245")
    if field is None:
        return ""
    return " ".join(part.strip() for part in field.get_subfields("a", "b", "n", "p", "k")).rstrip(_ISBD)


def _authors(record: Record) -> str:
    names = [_name(field) for field in record.get_fields("100", "110", "111", "700", "710", "711", "720")]
    unique = dict.fromkeys(name for name in names if name)
    return "; ".join(unique) or _trimmed(_first(record, ("245",), "c"))


def _name(field: Field) -> str:
    codes = ("a", "b", "c") if field.tag.endswith("00") else ("a", "b")
    name = " ".join(part.strip() for part in field.get_subfields(*codes)).rstrip(_ISBD)
    # A full stop ends the field, if it does not end an initial or a short form.
    last = name.rpartition(" ")[2]
    return name[:-1] if len(last) > 3 and last.find(".") == len(last) - 1 else name


def _isbns(record: Record) -> Iterator[str]:
    for field in record.get_fields("020"):
        for value in field.get_subfields("a"):
            if found := _ISBN.search(value):
                yield found[0]


def _language(record: Record) -> str:
    fixed = _control(record, "008")[35:38]
    return fixed if fixed.isalpha() and fixed.isascii() else ""


def _year(record: Record) -> str:
    fixed = _control(record, "008")[7:11]
    if fixed.isdigit() and fixed != "9999":
        return fixed
    year = _YEAR.search(_first(record, ("264", "260"), "c"))
    return year[0] if year else ""


def _items(record: Record) -> Iterator[tuple[str, str, str]]:
    """Barcode, branch and status of each item that has a barcode."""
    for field in record.get_fields("952", "852"):
        for barcode in field.get_subfields("p"):
            branch = _subfield(field, "a") if field.tag == "952" else _subfield(field, "b") or _subfield(field, "a")
            yield barcode.strip(), branch, _status(field)


def _status(field: Field) -> str:
    """Koha's marks in 952: $0 withdrawn, $1 lost, $4 damaged. In 852, $y says it in our words, as our export does."""
    if field.tag == "852":
        return _subfield(field, "y")
    marks = {"0": "withdrawn", "1": "lost", "4": "damaged"}
    return next((name for code, name in marks.items() if _subfield(field, code) not in ("", "0")), "")


def _subfield(field: Field, code: str) -> str:
    return next((value.strip() for value in field.get_subfields(code)), "")


def _first(record: Record, tags: tuple[str, ...], code: str) -> str:
    for field in record.get_fields(*tags):
        for value in field.get_subfields(code):
            return str(value)
    return ""


def _trimmed(text: str) -> str:
    text = text.strip().rstrip(_ISBD)
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text
