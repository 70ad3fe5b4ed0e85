"""Titles from MARC records: MARC-8 and UTF-8, exchange format and MARCXML."""

from pathlib import Path

import pytest
from pymarc import Field, Indicators, Record, Subfield, record_to_xml

from circulation.invariants import broken
from library.models import Book, Copy
from library.search import found
from tests.circulation.commands import run, titles, told

pytestmark = pytest.mark.django_db

MARC = Path(__file__).parents[3] / "shared" / "data" / "marc"
needs_marc = pytest.mark.skipif(not MARC.exists(), reason="the MARC files are not here")


def field(tag, indicators="  ", *pairs):
    return Field(tag, Indicators(*indicators), [Subfield(code, value) for code, value in pairs])


def record(number="1", title="Emma /", *more):
    fixed = Field("008", data="850101s1985    xxu           000 0 eng d")
    return Record(
        leader="00000nam a2200000 a 4500",
        fields=[Field("001", data=number), fixed, *more, field("245", "10", ("a", title))],
    )


FULL = record(
    "b17",
    "Emma :",
    field("020", "  ", ("a", "0141439580 (pbk.) :")),
    field("020", "  ", ("a", "9780141439587")),
    field("100", "1 ", ("a", "Austen, Jane,"), ("d", "1775-1817.")),
    field("264", " 1", ("a", "London :"), ("b", "Penguin,"), ("c", "c1996.")),
    field("700", "1 ", ("a", "Smith, J.P.")),
    field("952", "  ", ("a", "Main Library"), ("p", "A1")),
    field("952", "  ", ("a", "Harbour"), ("p", "A2"), ("1", "1")),
    field("952", "  ", ("a", "Harbour"), ("p", "A3"), ("4", "1"), ("0", "0")),
)


def exchange(*records):
    return b"".join(each.as_marc() for each in records)


def xml(*records, prefix=""):
    text = b"".join(record_to_xml(each) for each in records).decode()
    text = f'<?xml version="1.0"?>\n<collection xmlns="http://www.loc.gov/MARC21/slim">{text}</collection>'
    if prefix:
        text = text.replace("<", f"<{prefix}:").replace(f"<{prefix}:/", f"</{prefix}:").replace(f"<{prefix}:?", "<?")
        text = text.replace("xmlns=", f"xmlns:{prefix}=")
    return text


@pytest.mark.parametrize(
    "content",
    [
        exchange(FULL),
        xml(FULL),
        xml(FULL, prefix="marc"),
        record_to_xml(FULL).decode(),
        b"\n" + exchange(FULL) + b"\r\n",
    ],
    ids=["exchange", "xml", "xml with a prefix", "one record", "line breaks between"],
)
def test_a_record_becomes_a_title_with_its_copies(file, content):
    path = file(content, "old.xml")

    ran = run("import_books", path)

    assert (ran.failure, ran.out) == (None, [f"{path}: 1 added, 0 changed, 0 unchanged, 0 refused."])
    book = Book.objects.get()
    assert (book.title, book.authors) == ("Emma", "Austen, Jane; Smith, J.P.")
    assert (book.isbn, book.publisher, book.published_year, book.language) == ("9780141439587", "Penguin", 1985, "eng")
    assert (book.source, book.source_id) == ("old", "b17")
    assert list(Copy.objects.order_by("pk").values_list("barcode", "branch__name", "status")) == [
        ("A1", "Main Library", "available"),
        ("A2", "Harbour", "lost"),
        ("A3", "Harbour", "damaged"),
    ]
    assert broken() == []
    assert run("import_books", path).out == [f"{path}: 0 added, 0 changed, 1 unchanged, 0 refused."]


def test_a_record_without_items_gets_a_copy_and_its_agency_is_its_source(file):
    run("import_books", file(exchange(record("7", "Emma", Field("003", data="DE-1")))))

    assert Book.objects.values_list("source", "source_id").get() == ("DE-1", "7")
    assert Copy.objects.count() == 1


def test_marc_8_is_read_also_where_the_leader_says_nothing_and_utf_8_where_it_lies(file):
    marc_8 = exchange(record("1", "Cafe for two"))
    # In MARC-8 the accent stands before its letter.
    marc_8 = marc_8.replace(b"nam a22", b"nam  22").replace(b"Cafe for", b"Caf\xe2efor")
    utf_8 = exchange(record("2", "Война и мир")).replace(b"nam a22", b"nam  22")

    ran = run("import_books", file(marc_8 + utf_8))

    assert ran.failure is None
    assert list(Book.objects.order_by("pk").values_list("title", flat=True)) == ["Caféfor two", "Война и мир"]
    assert [book.title for book in found(Book.objects.all(), "война")] == ["Война и мир"]


def test_a_bad_record_is_refused_by_its_number_and_written_down(file, tmp_path):
    no_title = Record(leader="00000nam a2200000 a 4500", fields=[Field("001", data="2")])
    refused = tmp_path / "again.mrc"
    path = file(exchange(record("1"), no_title, record("3", "Dracula")))

    ran = run("import_books", path, refused=refused)

    assert told(ran, path) == ["2: There is no title."]
    assert sorted(title for title, _ in titles().values()) == ["Dracula", "Emma"]
    assert refused.read_bytes() == no_title.as_marc()


def test_a_bad_record_in_xml_is_written_down_mended_and_fed_again(file, tmp_path):
    refused = tmp_path / "again.xml"
    path = file(xml(record("1"), record("2", "x" * 501)))

    run("import_books", path, refused=refused)
    assert "<!-- title has 501 characters: at most 500 are possible. -->" in refused.read_text()
    refused.write_text(refused.read_text().replace("x" * 501, "Dracula"))

    assert run("import_books", refused).failure is None
    assert sorted(title for title, _ in titles().values()) == ["Dracula", "Emma"]


DATA = exchange(record("1"), record("2"))
LENGTH = len(exchange(record("1")))
WHOLE = xml(record("1"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (DATA[:-1], "breaks off in record 2. Is the file complete?"),
        (DATA[: LENGTH + 3], "is damaged: record 2 does not begin with its length."),
        (DATA[: LENGTH + 40], "breaks off in record 2. Is the file complete?"),
        (DATA[:-20] + b"xx" + DATA[-20:], "is damaged: record 2 does not end where its leader says."),
        (DATA + b"00000", "breaks off in record 3. Is the file complete?"),
        (DATA + b"and more", "is damaged: record 3 does not begin with its length."),
        (WHOLE[:-20], "is not well-formed XML in line 2. Is the file complete?"),
        (WHOLE.replace("</record>", "", 1), "is not well-formed XML in line 2. Is the file complete?"),
        (WHOLE.replace('tag="245"', ""), "is not MARCXML: record 1 lacks a part or has a strange one"),
        ("<collection></collection>", "is XML without MARC records."),
        ("<html><body>Not found</body></html>", "is XML or HTML, but not MARCXML."),
        (
            '<?xml version="1.0"?><!DOCTYPE collection [<!ENTITY a "aaaa">]><collection/>',
            "is XML with a document type of its own, which is not read here.",
        ),
    ],
)
def test_a_broken_file_changes_nothing(file, content, problem):
    path = file(content)

    ran = run("import_books", path)

    assert (ran.out, ran.err) == ([], [])
    assert ran.failure.startswith(f"{path} {problem}")
    assert ran.failure.endswith(" Nothing was changed.")
    assert "\n" not in ran.failure
    assert titles() == {}


def test_entities_are_not_resolved(file, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the key")
    text = WHOLE.replace("Emma", "&x;").replace("<collection", '<!-- --><collection xmlns:x="<!DOCTYPE" ', 0)
    text = text.replace(
        '<?xml version="1.0"?>\n',
        f'<?xml version="1.0"?>\n<!-- a --><collection/><!DOCTYPE c [<!ENTITY x SYSTEM "{secret}">]>',
    )

    ran = run("import_books", file(text))

    assert ran.failure
    assert titles() == {}


def test_an_element_without_end_is_not_kept_in_memory(file, monkeypatch):
    from circulation.imports.formats import marc_rows

    monkeypatch.setattr(marc_rows, "LONGEST", 200_000)
    path = file(WHOLE.replace("Emma", "x" * 500_000))

    assert run("import_books", path).failure == (
        f"{path} cannot be read: a record or an element is longer than 1,000,000 characters. Nothing was changed."
    )


@needs_marc
@pytest.mark.parametrize(("name", "count"), [("jazz_1k.mrc", 1000), ("FSL.marc", 52)])
def test_real_records_come_in(name, count):
    ran = run("import_books", MARC / name)

    assert (ran.failure, ran.err) == (None, [])
    assert ran.out[-1].endswith(f": {count} added, 0 changed, 0 unchanged, 0 refused.")
    assert Book.objects.count() == count
    assert broken() == []


@needs_marc
def test_real_records_in_cyrillic_are_found():
    run("import_books", MARC / "FSL.marc")

    [book] = found(Book.objects.all(), "стихотворения поэмы")
    assert book.isbn == "9785340001603"
