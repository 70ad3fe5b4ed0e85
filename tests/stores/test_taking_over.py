"""Taking over the other service's rows: messages twice, late, in any order, and what is left out by design."""

import json
import random

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from circulation import copies, members
from circulation.services import check_out, fulfil, renew, return_copy
from events.models import Event, FailedMessage, Publication
from integrations.stores import receiving, sending, snapshots
from integrations.stores.models import Received
from integrations.stores.tables import COPY, MEMBER, OWNED, VERSION
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import add_title, edit_copy, edit_member, enrol
from reservations.services import cancel, reserve, suspend
from reservations.titles import add_copies, edit_title, withdraw_title
from tests.factories import NOW
from tests.stores.sides import FACTS

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = (
    "circulation_loan, reservations_reservation, library_copy, library_member, library_book, library_loanpolicy, "
    "library_membercategory, library_branch, stores_received, events_event, events_pendingevent"
)


ISBNS = ("9780141439549", "9780141439518")


def lived(tell, service):
    """A day, of which each step is told of as it is then."""
    branch, group = (
        Branch.objects.create(name="Harbour", closed_on=[NOW.date()]),
        MemberCategory.objects.create(name="child"),
    )
    LoanPolicy.objects.create(member_category=group, max_loans=1)
    tell()
    books = [add_title(at=NOW, title=f"Title {number}", copies=2, branch=branch) for number in range(3)]
    people = [enrol(at=NOW, first_name=name, last_name="Reader", category=group) for name in ("Ada", "Bob", "Cher")]
    tell()
    ada, bob, cher = (person.pk for person in people)
    first, second, third = (book.pk for book in books)
    check_out(member_id=ada, book_id=first, at=NOW)
    check_out(member_id=bob, book_id=second, at=NOW)
    tell()
    renew(barcode=f"{first}-1", at=NOW)
    edit_member(member_id=ada, fields={"email": "ada@example.org"}, at=NOW)
    check_out(member_id=cher, book_id=first, at=NOW)
    place = reserve(member_id=bob, book_id=first, at=NOW)
    tell()
    return_copy(barcode=f"{first}-1", at=NOW)
    tell()
    copies.receive(barcode=f"{first}-1", at=NOW)  # at the main library, where Bob collects it
    tell()
    return_copy(barcode=f"{second}-1", at=NOW)
    fulfil(reservation_id=place.pk, at=NOW)
    again = reserve(member_id=ada, book_id=first, at=NOW)
    tell()
    suspend(reservation_id=again.pk, at=NOW)
    cancel(reservation_id=again.pk, at=NOW)
    # Barcodes that are exchanged cannot come in any order but one.
    edit_copy(barcode=f"{third}-1", fields={"barcode": "aside"}, at=NOW)
    edit_copy(barcode=f"{third}-2", fields={"barcode": f"{third}-1"}, at=NOW)
    edit_copy(barcode="aside", fields={"barcode": f"{third}-2"}, at=NOW)
    for title, isbn in ((first, ISBNS[0]), (second, ISBNS[1])):
        edit_title(book_id=title, fields={"isbn": isbn}, at=NOW)
    tell()
    for title, isbn in ((first, ""), (second, ISBNS[0]), (first, ISBNS[1])):
        edit_title(book_id=title, fields={"isbn": isbn}, at=NOW)
    tell()
    copies.mark_lost(barcode=f"{first}-2", at=NOW)
    add_copies(book_id=second, count=1, at=NOW)
    edit_title(book_id=second, fields={"authors": "George Eliot", "in_circulation": False}, at=NOW)
    edit_title(book_id=second, fields={"in_circulation": True}, at=NOW)
    if service == "admin":  # the other one would do that copy by copy
        withdraw_title(book_id=third, at=NOW)
    members.delete(member_id=cher, at=NOW)
    tell()


def facts():
    with psycopg.connect(**connection.get_connection_params()) as other:
        return {name: sorted(other.execute(query), key=lambda row: row[0]) for name, query in FACTS.items()}


def told_by(settings, service):
    """What this service would have said of that day, message by message; and the facts in the evening."""
    said, last = [], 0

    def tell():
        nonlocal last
        settings.SERVICE = service
        events = list(Event.objects.filter(pk__gt=last).order_by("pk"))
        said.extend(map(json.loads, sending.messages([Publication(event=event) for event in events])))
        settings.SERVICE = "all"
        last = events[-1].pk

    lived(tell, service)
    return said


def emptied():
    """As after the migrations, which leave the same first rows at both services."""
    first = [
        Branch.objects.get(name=Branch.MAIN),
        MemberCategory.objects.get(name=MemberCategory.STANDARD),
        LoanPolicy.objects.get(member_category=None, book_category=""),
    ]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE events_event DISABLE TRIGGER USER")
        cursor.execute(f"TRUNCATE {EVERYTHING} CASCADE")
        cursor.execute("ALTER TABLE events_event ENABLE TRIGGER USER")
    for row in first:
        type(row).objects.bulk_create([row])


def handed(messages):
    """As the consumer does: what cannot be handled yet is tried again later."""
    waiting = list(messages)
    for _ in range(20):
        left = []
        for message in waiting:
            try:
                with transaction.atomic():
                    receiving.handle([message])
            except IntegrityError:
                left.append(message)
        if not left:
            return
        waiting = left
    raise AssertionError(waiting)


def own_rows(service):
    """Keep what a service owns itself, which the other one tells it nothing of."""
    kept = {}
    for table in OWNED[service]:
        columns = ", ".join(table.columns)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT row_to_json(r) FROM (SELECT {columns} FROM {table.sql_name}) r")
            kept[table] = [row for (row,) in cursor.fetchall()]
    return kept


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("service", ["admin", "public"])
def test_in_any_order_and_however_often_the_end_is_the_same(settings, service, seed):
    other = "public" if service == "admin" else "admin"
    said = told_by(settings, other)
    there, own = facts(), own_rows(service)
    emptied()
    if service == "admin":  # its copies, as they were when they came in
        for table, rows in own.items():
            came_in = {VERSION: 0} | ({"status": "available"} if table is COPY else {})
            table.write([row | came_in for row in rows])
    chance = random.Random(seed)
    shuffled = said if seed == 0 else chance.sample(said + chance.sample(said, len(said) // 2), len(said) * 3 // 2)

    settings.SERVICE = service
    handed(shuffled)

    here = facts()
    told = {"admin": ["members", "loans", "reservations", "copies"], "public": ["branches", "categories", "policies"]}
    assert {name: here[name] for name in told[service]} == {name: there[name] for name in told[service]}
    if service == "public":
        assert here["books"] == there["books"]
        assert [row[:4] for row in here["copies"]] == [row[:4] for row in there["copies"]]


@pytest.mark.parametrize("service", ["admin", "public"])
def test_what_was_taken_over_and_comes_again_changes_nothing_and_tells_nothing(settings, service):
    said = told_by(settings, "public" if service == "admin" else "admin")
    own = own_rows(service)
    emptied()
    if service == "admin":
        for table, rows in own.items():
            came_in = {VERSION: 0} | ({"status": "available"} if table is COPY else {})
            table.write([row | came_in for row in rows])
    settings.SERVICE = service
    handed(said)
    before, events = facts(), Event.objects.count()

    handed(said)

    assert facts() == before
    assert Event.objects.count() == events


@pytest.mark.parametrize("service", ["admin", "public"])
def test_a_snapshot_says_the_same_as_all_messages(settings, service):
    """Page by page, and with those who left."""
    other = "public" if service == "admin" else "admin"
    told_by(settings, other)
    there, own = facts(), own_rows(service)
    settings.SERVICE = other
    pages, cursor = [], snapshots.BEGINNING
    while cursor:
        rows, cursor = snapshots._page(*cursor)
        pages.append(rows)
    emptied()
    if service == "admin":
        for table, rows in own.items():
            came_in = {VERSION: 0} | ({"status": "available"} if table is COPY else {})
            table.write([row | came_in for row in rows])
    settings.SERVICE = service
    for page in pages:
        with transaction.atomic():
            receiving.take_over(tuple(row) for row in json.loads(json.dumps(page)))

    here = facts()
    names = (
        ["members", "loans", "reservations"] if service == "admin" else ["branches", "categories", "policies", "books"]
    )
    assert {name: here[name] for name in names} == {name: there[name] for name in names}
    assert not Member.objects.filter(first_name="Cher").exists()


def test_who_had_what_is_not_sent_once_it_ended(settings):
    said = told_by(settings, "public")
    sent = [row for message in said for name, _, row in message["rows"] if name in ("loan", "reservation") and row]
    ended = [row for row in sent if row.get("returned_at") or row.get("status") in ("fulfilled", "cancelled")]

    assert ended
    assert all(row["member_id"] is None for row in ended)


def test_an_older_row_does_not_replace_a_newer_one(settings):
    settings.SERVICE = "public"
    book = {"id": 5, "title": "New", "authors": "", "isbn": "", "publisher": "", "category": "", "language": ""}
    book |= {"published_year": None, "source": "", "source_id": "", "in_circulation": True, "withdrawn_at": None}
    with transaction.atomic():
        receiving.take_over([("book", 5, 20, book)])
    with transaction.atomic():
        receiving.take_over([("book", 5, 19, book | {"title": "Old"}), ("book", 5, 18, None)])

    assert Book.objects.get(pk=5).title == "New"
    assert Received.objects.get().version == 20


def test_a_late_row_does_not_take_back_what_another_one_has_since(settings):
    """One copy gave its barcode up, another one got it, and the first one's message from before comes last."""
    add_title(at=NOW, title="Middlemarch", copies=2)
    one, other = Copy.objects.order_by("pk")
    shared = {"book_id": one.book_id, "branch_id": one.branch_id, "status": "available"}
    settings.SERVICE = "public"
    for pk, version, barcode in ((other.pk, 1020, "given"), (one.pk, 1010, "given"), (one.pk, 1019, "own")):
        with transaction.atomic():
            receiving.take_over([("copy", pk, version, shared | {"id": pk, "barcode": barcode})])
        assert Copy.objects.get(pk=other.pk).barcode == "given"

    assert Copy.objects.get(pk=one.pk).barcode == "own"


def taken_over(*rows):
    with transaction.atomic():
        receiving.take_over(rows)


@pytest.mark.parametrize("together", [True, False])
def test_what_is_unique_may_be_exchanged_in_one_message_or_in_two(settings, together):
    settings.SERVICE = "public"
    books = [title_row(1, isbn=ISBNS[0]), title_row(2, isbn=ISBNS[1])]
    copies = [copy_row(11, barcode="one"), copy_row(12, barcode="two")]
    groups = [{"id": 21, "name": "Child"}, {"id": 22, "name": "Guest"}]
    taken_over(*(("book", row["id"], 900, row) for row in books))
    taken_over(
        *(("copy", row["id"], 900, row) for row in copies), *(("category", row["id"], 900, row) for row in groups)
    )
    exchanged = [
        ("book", 1, 1000, books[0] | {"isbn": ISBNS[1]}),
        ("book", 2, 1001, books[1] | {"isbn": ISBNS[0]}),
        ("copy", 11, 1002, copies[0] | {"barcode": "two"}),
        ("copy", 12, 1003, copies[1] | {"barcode": "one"}),
        ("category", 21, 1004, {"id": 21, "name": "Guest"}),
        ("category", 22, 1005, {"id": 22, "name": "Child"}),
    ]

    if together:
        taken_over(*exchanged)
    else:
        for row in exchanged:
            taken_over(row)

    assert list(Book.objects.order_by("pk").values_list("isbn", flat=True)) == [ISBNS[1], ISBNS[0]]
    assert list(Copy.objects.order_by("pk").values_list("barcode", flat=True)) == ["two", "one"]
    assert list(MemberCategory.objects.filter(pk__in=[21, 22]).order_by("pk").values_list("name", flat=True)) == [
        "Guest",
        "Child",
    ]


def test_what_differs_in_case_or_in_its_source_is_not_the_same(settings):
    settings.SERVICE = "public"
    taken_over(
        ("book", 1, 900, title_row(1, source="here", source_id="88")),
        ("book", 2, 901, title_row(2, source="there", source_id="88")),
        ("copy", 11, 902, copy_row(11, barcode="aBc")),
        ("copy", 12, 903, copy_row(12, barcode="AbC")),
    )

    assert list(Book.objects.order_by("pk").values_list("source", "source_id")) == [("here", "88"), ("there", "88")]
    assert list(Copy.objects.order_by("pk").values_list("barcode", flat=True)) == ["aBc", "AbC"]


def test_a_title_that_is_there_gets_its_new_source(settings):
    settings.SERVICE = "public"
    taken_over(("book", 1, 900, title_row(1)))
    taken_over(("book", 1, 901, title_row(1, source="there", source_id="88")))

    assert Book.objects.values_list("source", "source_id").get() == ("there", "88")


def test_what_could_not_be_handled_about_a_member_goes_with_the_member(settings):
    settings.SERVICE = "admin"
    for pk in (5, 6):
        FailedMessage.objects.create(
            group="store",
            position=pk,
            message={"version": 1, "rows": [["member", pk, {"last_name": "Reader"}]]},
            error="IntegrityError",
            failed_at=NOW,
        )
    taken_over(("member", 5, 900, None))

    assert list(FailedMessage.objects.values_list("position", flat=True)) == [6]


def title_row(pk, **fields):
    row = {"id": pk, "title": f"Title {pk}", "authors": "", "isbn": "", "publisher": "", "category": "", "language": ""}
    row |= {"published_year": None, "source": "", "source_id": "", "in_circulation": True, "withdrawn_at": None}
    return row | fields


def copy_row(pk, **fields):
    branch = Branch.objects.get(name=Branch.MAIN).pk
    return {"id": pk, "book_id": 1, "branch_id": branch, "status": "available"} | fields


def test_a_snapshot_takes_away_who_left_in_the_meantime(settings):
    cher = enrol(at=NOW, first_name="Cher", last_name="Reader")
    [row] = MEMBER.present([cher.pk]).values()
    members.delete(member_id=cher.pk, at=NOW)
    settings.SERVICE = "public"
    pages, cursor = [], snapshots.BEGINNING
    while cursor:
        rows, cursor = snapshots._page(*cursor)
        pages += rows
    settings.SERVICE = "admin"
    with transaction.atomic():
        receiving.take_over([("member", cher.pk, 0, row)])
    assert Member.objects.filter(pk=cher.pk).exists()

    with transaction.atomic():
        receiving.take_over(pages)

    assert not Member.objects.filter(pk=cher.pk).exists()


def test_rows_that_the_other_service_does_not_own_are_not_taken_over(settings):
    settings.SERVICE = "public"
    copy = Copy.objects.count()
    with transaction.atomic():
        receiving.take_over([("member", 7, 20, {"id": 7}), ("place", 1, 20, {"id": 1}), ("shelf", 1, 1, {})])

    assert not Received.objects.exists()
    assert Copy.objects.count() == copy
