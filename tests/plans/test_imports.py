"""How an import finds what is there: by indexes, for a whole batch of rows at once."""

from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from stdnum import ean

from circulation.imports.branches import branches, categories
from circulation.imports.catalogue import Catalogue
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import BATCH
from circulation.imports.people import People
from circulation.imports.whole.copies import Copies
from circulation.imports.whole.loans import Loans
from circulation.imports.whole.references import Reference, References
from circulation.imports.whole.reservations import Reservations
from tests.plans.explaining import explaining

pytestmark = [pytest.mark.usefixtures("in_big_library"), pytest.mark.django_db]

BOTH = pytest.mark.parametrize("shared", [False, True], ids=["planned for its values", "prepared"])


NEW = range(200_001, 200_001 + BATCH)  # no title or member has such a number


def rows(numbers=NEW, **columns):
    """A batch of them, in which {} is the number of the row."""
    return [Row(n, tuple((name, text.format(n)) for name, text in columns.items())) for n in numbers]


def number_of(title: int) -> str:
    """An ISBN that no title has."""
    return f"979{title:09}{ean.calc_check_digit(f'979{title:09}')}"


def catalogue() -> Catalogue:
    return Catalogue(source="elsewhere", branches=branches())


def people() -> People:
    return People(source="elsewhere", branches=branches(), categories=categories())


@BOTH
def test_titles_are_found_by_source_and_isbn(shared):
    titles = catalogue()
    read = [
        titles.parse(Row(row.line, (*row.pairs, ("isbn", number_of(row.line))))) for row in rows(id="{}", title="T")
    ]
    assert len({record.isbn for record in read}) == BATCH

    with explaining(shared=shared) as plans:
        assert titles.known(read) == {}
        titles.add(read, at=timezone.now())

    assert plans.scanned == set(), str(plans)
    assert {"one_title_per_source", "one_live_title_per_isbn"} <= plans.indexes


@BOTH
def test_what_another_run_brings_is_found_with_its_copies(shared):
    titles, members = catalogue(), people()
    numbers = range(2, 2 + BATCH)
    given = [
        Row(n, (("title", f"T {n}"), ("source", "old system"), ("id", str(n)), ("circdesk_id", n))) for n in numbers
    ]
    enrolled = [
        Row(n, (("name", f"Ada {n}"), ("source", "old system"), ("id", str(n)), ("circdesk_id", n))) for n in numbers
    ]

    with explaining(shared=shared) as plans:
        known = titles.known([titles.parse(row) for row in given])
        members.known([members.parse(row) for row in enrolled])

    assert [title.book.pk for title in known.values()] == [*numbers]
    assert {title.copies for title in known.values()} == {2, 3}
    assert plans.scanned == set(), str(plans)


@BOTH
def test_members_are_found_by_source_card_and_e_mail(shared):
    members = people()
    read = [members.parse(row) for row in rows(id="{}", name="Ada {}", card="K{}", email="a{}@example.net")]

    with explaining(shared=shared) as plans:
        assert members.known(read) == {}
        members.add(read, at=timezone.now())

    assert plans.scanned == set(), str(plans)
    assert {"one_member_per_source", "one_member_per_card", "one_member_per_email"} <= plans.indexes


@BOTH
def test_what_rows_refer_to_is_found(shared):
    references = References("elsewhere", catalogue(), people())

    with explaining(shared=shared) as plans:
        for look_up, by in (
            (references.titles, "id"),
            (references.titles, "circdesk_id"),
            (references.members, "id"),
            (references.members, "card"),
        ):
            with pytest.raises(RowError, match="There is no"):
                look_up(Reference(by, str(number)) for number in range(200_000, 200_000 + BATCH))

    assert plans.scanned == set(), str(plans)
    assert {"one_title_per_source", "one_member_per_source", "one_member_per_card"} <= plans.indexes


@BOTH
def test_copies_loans_and_reservations_are_found(shared):
    """Of titles and members that are there, by the ids that they have."""
    references = References("old system", catalogue(), people())
    copies = Copies(references, branches())
    loans = Loans(references, zone=ZoneInfo("UTC"))
    reservations = Reservations(references, branches(), zone=ZoneInfo("UTC"))
    numbers = range(5_001, 5_001 + BATCH)
    lent = {"barcode": "{}-1", "card": "C0000{}", "lent_at": "2020-01-01", "due_at": "2020-02-01"}

    with explaining(shared=shared) as plans:
        known = copies.known([copies.parse(row) for row in rows(numbers, barcode="{}-1", book_id="{}")])
        assert len(known) == BATCH
        assert loans.known([loans.parse(row) for row in rows(numbers, **lent)]) == {}
        waiting = rows(numbers, book_id="{}", card="C0000{}", placed_at="2020-01-01")
        assert reservations.known([reservations.parse(row) for row in waiting]) == {}

    assert plans.scanned == set(), str(plans)
