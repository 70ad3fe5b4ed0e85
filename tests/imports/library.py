"""A library with something of everything, and what can be said of any library."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from circulation import copies
from circulation.models import Loan
from circulation.services import check_out, renew, return_copy
from events.operations import operation
from library.bulk import keep_ids_free
from library.models import Book, Branch, Copy, LoanPolicy, Member, MemberCategory
from library.services import add_title, branch_named, create_copies, enrol
from reservations.models import Reservation
from reservations.services import reorder, reserve, suspend

AT = datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=UTC)
# Hebrew with marks, Devanagari, a letter with two combining marks, line breaks, quotation marks, XML's own, a control
# character that XML has no place for, and what spreadsheets take for a formula.
ODD_TITLES = (
    "בְּרֵאשִׁית: ספר ראשון",
    "रामचरितमानस",
    "Vie\u0302\u0323t Nam",
    "First line\nsecond line\r\nthird",
    'She said "no", <b>&amp; left</b>; ',
    "Form\x0bfeed",
    "=1+1",
    " leading and trailing ",
    "Title / with : marks =",
)


def build() -> None:
    """Titles of every kind of text, copies in every state, members, loans and a line with all its states."""
    Branch.objects.create(
        name="Harbour Branch",
        time_zone="Europe/Berlin",
        closing_times=[None, *[time(18)] * 4, time(13, 30), None],
        closed_on=[date(2026, 12, 25), date(2026, 12, 26)],
    )
    child = MemberCategory.objects.create(name="child")
    LoanPolicy.objects.create(member_category=child, book_category="film", loan_days=7, lend_while_overdue=True)
    LoanPolicy.objects.filter(member_category=None, book_category="").update(max_loans=3, shelf_days=9)
    keep_ids_free(Book, up_to=5000)
    keep_ids_free(Member, up_to=300)
    for number, title in enumerate(ODD_TITLES):
        add_title(at=AT, title=title, authors="Ann; Bo" if number % 2 else "", copies=number % 3)
    book = add_title(
        at=AT,
        title="Emma",
        authors="Jane Austen",
        isbn="9780141439587",
        publisher="Penguin",
        category="novel",
        language="eng",
        published_year=1815,
        source="elsewhere",
        source_id="b/7",
        copies=0,
    )
    add_title(at=AT, title="Gilgamesh", published_year=-1800, in_circulation=False, copies=1)
    operation(lambda: create_copies(book, count=7, branch=branch_named("Harbour Branch"), at=AT))()
    codes = list(book.copies.order_by("pk").values_list("barcode", flat=True))
    copies.mark_lost(barcode=codes[2], at=AT)
    copies.mark_missing(barcode=codes[3], at=AT)
    copies.mark_damaged(barcode=codes[4], at=AT)
    copies.withdraw(barcode=codes[5], at=AT)
    copies.mark_missing(barcode=codes[6], at=AT)
    people = [
        enrol(at=AT, first_name="Ada", last_name="Lovelace", email="ada@example.org", expires_on=date(2099, 1, 31)),
        enrol(at=AT, first_name="शकुन्तला", last_name="देवी", category=child, branch=branch_named("Harbour Branch")),
        enrol(at=AT, first_name="Cher", card_number="X-1", source="elsewhere", source_id="p1"),
        enrol(at=AT, first_name="Dan", last_name="Brown"),
        enrol(at=AT, first_name="Eve", last_name="Adams"),
        enrol(at=AT, first_name="Bea", last_name="Blocked", blocked_reason="Owes, or “lost”, a card"),
    ]
    ada, devi, cher, dan, eve, _ = (member.pk for member in people)
    check_out(member_id=ada, book_id=book.pk, at=AT)
    check_out(member_id=devi, book_id=book.pk, at=AT + timedelta(hours=1))
    renew(barcode=codes[0], at=AT + timedelta(days=2))
    for number, member_id in enumerate((cher, dan, eve)):
        reserve(member_id=member_id, book_id=book.pk, at=AT + timedelta(days=1, microseconds=number), needed_by=None)
    third = Reservation.objects.get(member=eve)
    reorder(reservation_id=third.pk, priority=-2, reason="for a course", at=AT + timedelta(days=3))
    suspend(reservation_id=Reservation.objects.get(member=dan).pk, at=AT + timedelta(days=3))
    # Eve is first now, and gets the copy that comes back, where she collects it; another one is sent to Cher.
    return_copy(barcode=codes[1], at=AT + timedelta(days=4))
    copies.receive(barcode=codes[1], at=AT + timedelta(days=5))
    copies.mark_found(barcode=codes[6], at=AT + timedelta(days=5))
    Reservation.objects.filter(member=cher).update(needed_by=datetime(2099, 5, 1, 12, tzinfo=ZoneInfo("Asia/Tokyo")))


def clear() -> None:
    """As after the migrations."""
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE library_book, library_copy, library_member, circulation_loan, reservations_reservation, "
            "events_pendingevent, library_loanpolicy RESTART IDENTITY CASCADE"
        )
        cursor.execute("ALTER TABLE events_event DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM events_event")
        cursor.execute("ALTER TABLE events_event ENABLE TRIGGER USER")
    Branch.objects.exclude(name=Branch.MAIN).delete()
    MemberCategory.objects.exclude(name=MemberCategory.STANDARD).delete()


def described() -> dict[str, list[tuple]]:
    """Everything that an export holds."""
    title = (
        "pk", "title", "authors", "isbn", "publisher", "category", "language", "published_year", "in_circulation",
        "source", "source_id",
    )  # fmt: skip
    member = (
        "pk", "card_number", "first_name", "last_name", "email", "category__name", "branch__name", "expires_on",
        "blocked_reason", "source", "source_id",
    )  # fmt: skip
    policy = (
        "member_category__name", "book_category", "loan_days", "max_loans", "max_renewals", "max_reservations",
        "shelf_days", "lend_while_overdue",
    )  # fmt: skip
    held = {"book__withdrawn_at": None}
    return {
        "branches": list(
            Branch.objects.order_by("name").values_list("name", "time_zone", "closing_times", "closed_on")
        ),
        "policies": list(LoanPolicy.objects.order_by("book_category").values_list(*policy)),
        "titles": list(Book.objects.held().order_by("pk").values_list(*title)),
        "copies": list(
            Copy.objects.filter(**held)
            .order_by("barcode")
            .values_list("barcode", "book", "branch__name", "status", "holder__card_number", "due_at")
        ),
        "members": list(Member.objects.order_by("pk").values_list(*member)),
        "loans": list(
            Loan.objects.active()
            .order_by("copy__barcode")
            .values_list("copy__barcode", "book", "member", "lent_at", "due_at", "renewals")
        ),
        "reservations": list(
            Reservation.objects.live()
            .order_by("book", "priority", "placed_at", "pk")
            .values_list(
                "book",
                "member",
                "status",
                "priority",
                "placed_at",
                "needed_by",
                "copy__barcode",
                "shelf_until",
                "branch__name",
            )
        ),
    }
