"""Tables as CSV and JSON, titles as MARCXML."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pymarc import Field, Indicators, Record, Subfield, record_to_xml

Row = Mapping[str, Any]

# Where MARC keeps what it has no field for (887), and whose it is: an import takes it from there, word for word.
OURS = "circdesk"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """UTF-8, separated by commas, the first line names the columns. Without rows, no file."""
    _write(path, rows, _csv_lines)


def write_json(path: Path, rows: Iterable[Row]) -> None:
    """A list of objects, one on a line. Without rows, no file."""
    _write(path, rows, _json_lines)


def write_marcxml(path: Path, titles: Iterable[tuple[Row, Sequence[Row]]]) -> None:
    """A collection of bibliographic records, each with its copies in 852. Without titles, no file."""
    _write(path, titles, _xml_lines)


def _write(path: Path, rows: Iterable[Any], lines: Callable[[Any, Iterator[Any]], Iterator[str]]) -> None:
    remaining = iter(rows)
    first = next(remaining, None)
    if first is None:
        return
    with path.open("x", encoding="utf-8", newline="") as file:
        file.writelines(lines(first, remaining))
        file.flush()
        os.fsync(file.fileno())  # before the directory gets its name, should the machine go down


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _csv_lines(first: Row, remaining: Iterator[Row]) -> Iterator[str]:
    writer: Any = csv.writer(_Echo())
    yield writer.writerow(first)
    yield writer.writerow(map(_as_text, first.values()))
    for row in remaining:
        yield writer.writerow(map(_as_text, row.values()))


def _json_lines(first: Row, remaining: Iterator[Row]) -> Iterator[str]:
    yield "[\n" + _json(first)
    for row in remaining:
        yield ",\n" + _json(row)
    yield "\n]\n"


def _xml_lines(first: tuple[Row, Sequence[Row]], remaining: Iterator[tuple[Row, Sequence[Row]]]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<collection xmlns="http://www.loc.gov/MARC21/slim">\n'
    yield _xml(*first)
    for title, copies in remaining:
        yield _xml(title, copies)
    yield "</collection>\n"


def _xml(title: Row, copies: Sequence[Row]) -> str:
    record = marc_record(title, copies)
    # The namespace stands at the collection.
    return record_to_xml(record).decode() + "\n"  # type: ignore[no-untyped-call,no-any-return]


def marc_record(title: Row, copies: Sequence[Row]) -> Record:
    """The bibliographic record of a title, as far as we know it: https://www.loc.gov/marc/bibliographic/."""
    main, *others = [name.strip() for name in title["authors"].split(";")]
    year = title["published_year"]
    ours = {**title, "copies": 0 if not copies else None}
    fields = [
        Field("001", data=_clean(title["source_id"] or str(title["circdesk_id"]))),
        Field("003", data=_clean(title["source"])),
        Field("008", data=_fixed(title)),
        _field("020", a=title["isbn"]),
        _field("100", "1 ", a=main),
        _field("245", "10" if main else "00", a=title["title"]),
        _field("264", " 1", b=title["publisher"], c="" if year is None else str(year)),
        *(_field("700", "1 ", a=name) for name in others),
        *(_field("852", "8 ", b=copy["branch"], p=copy["barcode"], y=copy["status"]) for copy in copies),
        _field("887", a=_json({name: value for name, value in ours.items() if value is not None}), **{"2": OURS}),
    ]
    return Record(
        leader="00000nam a2200000 i 4500", fields=[field for field in fields if field.data or field.subfields]
    )


def _fixed(title: Row) -> str:
    """Field 008: forty characters, of which we know the year and, as a MARC code, the language."""
    year = title["published_year"]
    known = year is not None and 0 < year <= 9999
    language = title["language"] if re.fullmatch("[a-z]{3}", title["language"]) else "und"
    return f"      {'s' if known else 'n'}{year if known else 'uuuu':>04}    xx            000 0 {language} d"


def _field(tag: str, indicators: str = "  ", **parts: str) -> Field:
    subfields = [Subfield(code, _clean(text)) for code, text in parts.items() if text]
    return Field(tag, Indicators(*indicators), subfields)


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text)


def _json(row: Row) -> str:
    return json.dumps(row, default=_as_text)


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else value
