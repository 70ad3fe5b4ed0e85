"""Replaying traces: our own against a desk on paper, and what happens when it is done again."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from circulation.housekeeping import sweep
from circulation.invariants import broken
from circulation.models import Loan
from circulation.replay import LOCK, read_trace, replay, standing
from circulation.services import check_out, return_copy
from events.models import Event
from reservations.models import Reservation
from tests.circulation.commands import run
from tests.circulation.paper_desk import PaperDesk
from tests.factories import MemberFactory, general_policy

pytestmark = pytest.mark.django_db

PROVEN_CLUB = Path(__file__).parents[3] / "shared" / "data" / "proven-club"
OURS = settings.BASE_DIR / "fixtures" / "trace"


def step(eventtype, member_id=None, date="2024-03-01", book_id=1000):
    member = {} if member_id is None else {"member_id": member_id}
    return {"eventtype": eventtype, "book_id": book_id, **member, "date": date}


@pytest.fixture
def small_library(file):
    """Title 1000 with one copy, title 1001 with two, members 1 to 5."""
    books = [{"BookID": 1000 + n, "BookName": f"Title {n}", "NumberOfCopies": 1 + n} for n in range(2)]
    run("import_books", file(books, "books.json"))
    people = [{"MemberID": n, "MemberName": f"Member {n}"} for n in range(1, 6)]
    run("import_members", file(people, "members.json"))


def library_of(folder: Path, ending="json"):
    for command, name in (("import_books", "books"), ("import_members", "members")):
        assert run(command, folder / f"{name}.{ending}").failure is None


def outcomes(path, **options) -> list[tuple]:
    return [
        (outcome.event.kind, outcome.event.member_id, outcome.result)
        for outcome in replay(read_trace(path)[0], **options)
    ]


def stands(book_id=1000) -> tuple[list, list, list]:
    (title,) = standing([book_id])
    return title.lent, title.set_aside, title.waiting


# --- Whole traces ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not PROVEN_CLUB.exists(), reason="the data of the Proven Club is not here")
@pytest.mark.parametrize("policy", ["hold", "loan"])
def test_the_proven_club_ends_as_it_did(policy):
    library_of(PROVEN_CLUB)

    ran = run("replay", PROVEN_CLUB / "events.json", fulfil_on_return=policy)

    assert (ran.err, ran.failure) == ([], None)
    assert ran.out[-3:] == [
        "1000 “Book 1”: lent to 2003, 2000; nobody waits.",
        "1002 “Book 3”: lent to 2010; nobody waits.",
        "1011 “Book 12”: lent to 2019; nobody waits.",
    ]
    assert broken() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "refusals"),
    [("hold", {"ALREADY_BORROWED": 16, "nothing to do": 76}), ("loan", {"ALREADY_BORROWED": 22, "nothing to do": 109})],
)
def test_our_trace_ends_as_on_paper_with_every_refusal_that_a_trace_can_meet(policy, refusals):
    library_of(OURS, "sql")
    books, people, events = (json.loads((OURS / f"{name}.json").read_text()) for name in ("books", "members", "events"))
    paper = PaperDesk(books, people, fulfil_on_return=policy)
    paper.play(events)

    happened = Counter(result for _, _, result in outcomes(OURS / "events.json", fulfil_on_return=policy))

    assert happened.total() == 619
    assert happened == paper.outcomes
    assert {name: happened[name] for name in happened if name.isupper() or name == "nothing to do"} == {
        "BOOK_NOT_FOUND": 4,
        "COPY_AVAILABLE": 8,
        "COPY_NOT_ON_LOAN": 17,
        "MEMBER_NOT_FOUND": 3,
        "RESERVATION_EXISTS": 11,
        **refusals,
    }
    assert {title.book.pk: (title.lent, title.set_aside, title.waiting) for title in standing(list(paper.titles))} == {
        book_id: (title.lent, title.set_aside, title.waiting) for book_id, title in paper.titles.items()
    }
    assert broken() == []


# --- One event after another ---------------------------------------------------------------------------------


def test_events_take_place_by_day_then_by_kind_then_as_in_the_file(file, small_library):
    path = file(
        [
            step("fulfill"),
            step("return", 1),
            step("checkout", 3),
            step("checkout", 2),
            step("checkout", 1, date="2024-02-29"),
            step("reserve", 4),
        ]
    )

    assert outcomes(path) == [
        ("checkout", 1, "lent"),
        ("checkout", 3, "queued"),
        ("checkout", 2, "queued"),
        ("reserve", 4, "queued"),
        ("return", 1, "returned"),
        ("fulfill", None, "lent"),
    ]
    assert stands() == ([3], [], [2, 4])
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert list(Reservation.objects.order_by("pk").values_list("placed_at", flat=True)) == [
        noon + timedelta(microseconds=n) for n in range(3)
    ]


def test_every_event_is_told_in_a_line(file, small_library):
    path = file(
        [
            step("checkout", 1),
            step("checkout", 2, "2024-03-02"),
            step("return", 1, "2024-03-03"),
            step("fulfill", date="2024-03-04"),
            step("fulfill", date="2024-03-04"),
            step("checkout", 2, "2024-03-05"),
            step("return", 1, "2024-03-05", book_id=99),
        ]
    )

    ran = run("replay", path, fulfil_on_return="hold")

    assert ran.out == [
        "2024-03-01  checkout    1000       1  lent                copy 1000-1",
        "2024-03-02  checkout    1000       2  queued",
        "2024-03-03  return      1000       1  returned            copy 1000-1, set aside for member 2",
        "2024-03-04  fulfill     1000          lent                copy 1000-1 to member 2",
        "2024-03-04  fulfill     1000          nothing to do       Nobody is waiting for “Title 0”.",
        "2024-03-05  checkout    1000       2  ALREADY_BORROWED    Member 2 already has “Title 0” on loan.",
        "2024-03-05  return        99       1  BOOK_NOT_FOUND      There is no title 99.",
        "",
        "7 events: 2 lent, 1 nothing to do, 1 queued, 1 returned, 2 refused (1 ALREADY_BORROWED, 1 BOOK_NOT_FOUND).",
        "",
        "1000 “Title 0”: lent to 2; nobody waits.",
    ]
    assert (ran.err, ran.failure) == ([], None)


def test_a_return_may_lend_to_the_head_at_once(file, small_library, settings):
    settings.FULFIL_ON_RETURN = "loan"
    path = file([step("checkout", 1), step("checkout", 2), step("return", 1), step("fulfill")])

    ran = run("replay", path)

    assert [line[38:] for line in ran.out[2:4]] == [
        "returned            copy 1000-1, lent to member 2",
        "nothing to do       Nobody is waiting for “Title 0”.",
    ]
    assert stands() == ([2], [], [])


def test_limits_and_overdue_loans_do_not_apply_and_the_events_say_so(file, small_library):
    general_policy(max_loans=1, max_reservations=0, loan_days=1)
    path = file(
        [
            step("checkout", 1),
            step("checkout", 2, book_id=1001),
            step("checkout", 1, "2024-04-01", book_id=1001),  # the limit, and overdue
            step("checkout", 2, "2024-04-01"),  # the reservation limit
            step("return", 1, "2024-04-02"),
            step("fulfill", date="2024-04-03"),  # the limit, and overdue
        ]
    )

    assert [result for _, _, result in outcomes(path)] == ["lent", "lent", "lent", "queued", "returned", "lent"]
    assert [event.payload.get("override") for event in Event.objects.filter(kind="checkout").order_by("pk")] == [
        None,
        None,
        *[{"codes": ["LOAN_LIMIT_REACHED", "MEMBER_HAS_OVERDUE"], "reason": "trace replay"}] * 2,
    ]
    assert broken() == []


def test_limits_do_not_keep_a_return_from_lending_at_once(file, small_library):
    general_policy(max_loans=0)
    path = file([step("checkout", 1), step("checkout", 2), step("return", 1)])

    outcomes(path, fulfil_on_return="loan")

    assert stands() == ([2], [], [])


def test_a_blocked_member_is_refused_with_every_reason(file, small_library):
    blocked = MemberFactory(blocked=True)
    path = file([step("checkout", 1), step("checkout", blocked.pk), step("checkout", blocked.pk, book_id=1001)])

    assert [result for _, _, result in outcomes(path)] == ["lent", "MEMBER_BLOCKED", "MEMBER_BLOCKED"]


def test_what_a_replay_sets_aside_survives_the_sweep(file, small_library):
    path = file([step("checkout", 1), step("checkout", 2), step("return", 1)])
    outcomes(path, fulfil_on_return="hold")

    sweep(at=timezone.now())

    assert stands() == ([], [2], [])
    assert Reservation.objects.get().shelf_until.date() == timezone.now().date() + timedelta(days=7)


# --- Again -------------------------------------------------------------------------------------------------------


def test_a_trace_that_is_replayed_again_changes_nothing(file, small_library):
    path = file([step("checkout", 1), step("checkout", 2), step("checkout", 1), step("return", 1), step("fulfill")])
    first = outcomes(path)
    before = Event.objects.count()

    again = run("replay", path)

    assert [result for _, _, result in first] == ["lent", "queued", "ALREADY_BORROWED", "returned", "lent"]
    assert Event.objects.count() == before
    assert again.out[0].endswith("passed over         The title's record goes on until 2024-03-01 12:00 UTC.")
    assert again.out[6] == "5 events: 5 passed over."
    assert again.failure is None


@pytest.mark.parametrize("done", range(1, 6))
def test_an_interrupted_replay_goes_on_where_it_stopped(file, small_library, done):
    path = file(
        [
            step("checkout", 1),
            step("checkout", 2),
            step("checkout", 3),
            step("return", 1, "2024-03-02"),
            step("fulfill", date="2024-03-02"),
            step("return", 2, "2024-03-02"),
        ]
    )
    interrupted = replay(read_trace(path)[0], fulfil_on_return="hold")
    for _ in islice(interrupted, done):
        pass
    interrupted.close()

    outcomes(path, fulfil_on_return="hold")

    # Returns come before fulfilments, so member 2 had nothing to return yet.
    assert stands() == ([2], [], [3])
    assert broken() == []


def test_a_trace_may_be_continued_by_later_days(file, small_library):
    days = [step("checkout", 1), step("checkout", 2)]
    outcomes(file(days))

    results = outcomes(file([*days, step("return", 1, "2024-03-02"), step("fulfill", date="2024-03-02")]))

    assert [result for _, _, result in results] == ["passed over", "passed over", "returned", "lent"]
    assert stands() == ([2], [], [])


def test_a_trace_is_not_inserted_before_what_the_desk_did_since(file, small_library):
    check_out(member_id=5, book_id=1000, at=timezone.now())
    return_copy(member_id=5, book_id=1000, at=timezone.now())

    results = outcomes(file([step("checkout", 1), step("checkout", 2, book_id=1001)]))

    assert [result for _, _, result in results] == ["passed over", "lent"]
    assert not Loan.objects.filter(member=1).exists()


def test_two_replays_do_not_run_at_a_time(file, small_library):
    path = file([step("checkout", 1)])
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        ran = run("replay", path)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    other.close()

    assert ran.failure == (
        "Stopped after 0 of 1 events: Another replay is running. Please wait until it has ended. "
        "Replay the file again to go on."
    )
    assert [result for _, _, result in outcomes(path)] == ["lent"]


# --- Traces that cannot be replayed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7", "This is not an object {...}."),
        ('{"eventtype": "checkout", "member_id": 1}', "There is no book_id. There is no date."),
        (
            '{"eventtype": "borrow", "book_id": 1000, "member_id": 1, "date": "2024-03-01"}',
            "eventtype is one of checkout, reserve, return, fulfill, not 'borrow'.",
        ),
        (
            '{"eventtype": "checkout", "book_id": 1000, "date": "2024-03-01"}',
            "There is no member_id, which a checkout needs.",
        ),
        (
            '{"eventtype": "return", "book_id": 1000, "member_id": null, "date": "2024-03-01"}',
            "There is no member_id, which a return needs.",
        ),
        (
            '{"eventtype": "fulfill", "book_id": "x", "date": "2024-03-01"}',
            "book_id must be a whole number, not 'x'.",
        ),
        *(
            (
                f'{{"eventtype": "fulfill", "book_id": 1000, "date": "{date}"}}',
                f"date must be a day written like 2023-05-31, not '{date}'.",
            )
            for date in ("2024-02-30", "20240301", "2024-3-1", "01.03.2024", "2024-03-01T12:00:00")
        ),
        (
            '{"eventtype": "fulfill", "book_id": 1000, "date": "9999-12-31"}',
            "date must lie in the years 1800 to 2999.",
        ),
        (
            '{"eventtype": "fulfill", "book_id": 1000, "date": "2024-03-01", "note": ""}',
            "'note' is not known here.",
        ),
    ],
)
def test_a_malformed_event_is_told_by_its_line_and_nothing_is_replayed(file, small_library, row, reason):
    path = file(f"[{json.dumps(step('checkout', 1))},\n{row}]")
    before = Event.objects.count()

    ran = run("replay", path)

    assert (ran.out, ran.err, ran.failure) == (
        [],
        [f"{path}:2: {reason}"],
        "1 event is malformed. Nothing was replayed.",
    )
    assert Event.objects.count() == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty."),
        ('{"eventtype": "checkout"}', "is one JSON object, where a list of them is needed: [{...}, {...}]."),
        ("SELECT 1;", "is not a JSON list."),
        ('[{"eventtype"', "breaks off in line 1: the list is not closed. Is the file complete?"),
    ],
)
def test_a_broken_trace_is_told_in_one_line(file, content, problem):
    path = file(content)

    assert run("replay", path).failure == f"{path} {problem} Nothing was replayed."


def test_a_member_named_by_a_fulfilment_is_of_no_consequence(file, small_library):
    path = file([step("checkout", 1), step("checkout", 2), step("return", 1), step("fulfill", 5)])

    assert outcomes(path)[-1] == ("fulfill", None, "lent")
    assert stands() == ([2], [], [])
