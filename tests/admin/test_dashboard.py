"""The overview: today's numbers as they are now, and charts that say what they show."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.utils import timezone

from circulation.models import DayFigures
from circulation.overview import charts, figures, page
from circulation.services import check_out, return_copy
from config.observability import metrics
from tests.factories import (
    BookFactory,
    CopyFactory,
    LoanFactory,
    MemberFactory,
    ReservationFactory,
)

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday


def tiles(response):
    return {tile["name"]: tile["count"] for tile in response.context["overview"]["tiles"]}


def shown(at=NOON, days=30, **reads):
    cache.clear()
    return page.overview(at=at, days=days, reads=reads)


def test_an_empty_library_has_friendly_words_and_no_axes(desk):
    response = desk.open("/admin/")

    assert set(tiles(response).values()) == {0}
    assert "Nothing was lent yet." in response.content.decode()
    assert "<figure" not in response.content.decode()


def test_a_loan_made_just_now_shows_at_once(desk):
    book, member = BookFactory(copies=2), MemberFactory()
    LoanFactory(lent_at=timezone.now() - timedelta(days=3))
    before = desk.open("/admin/")

    barcode = book.copies.first().barcode
    check_out(barcode=barcode, member_id=member.pk, at=timezone.now())
    after = desk.open("/admin/")

    assert (tiles(before)["loans"], tiles(before)["open_loans"]) == (0, 1)
    assert (tiles(after)["loans"], tiles(after)["open_loans"]) == (1, 2)
    assert after.context["overview"]["days"]["bars"][-1]["span"].loans == 1

    return_copy(barcode=barcode, at=timezone.now())

    assert tiles(desk.open("/admin/"))["returns"] == 1


def test_a_day_is_the_librarys_own():
    LoanFactory(lent_at=datetime(2026, 3, 4, 10, 30, tzinfo=UTC))
    LoanFactory(lent_at=datetime(2026, 3, 4, 11, 30, tzinfo=UTC))  # 00:30 of the next day in Auckland

    here = figures.today(NOON)
    with timezone.override(ZoneInfo("Pacific/Auckland")):
        there = figures.today(NOON)
        days = shown(days=7)["days"]["spans"]

    assert (here["loans"], there["loans"]) == (2, 1)
    assert [(span.first, span.loans) for span in days[-2:]] == [(date(2026, 3, 4), 1), (date(2026, 3, 5), 1)]


def test_beside_each_number_stands_that_of_last_week():
    DayFigures.objects.create(day=date(2026, 2, 25), loans=34, returns=1200, open_loans=5, overdue=None)

    told = {tile["name"]: tile["before"] for tile in shown()["tiles"]}

    assert told == {
        "loans": "34 last Wednesday",
        "returns": "1,200 last Wednesday",
        "open_loans": "5 last Wednesday",
        "overdue": "",
        "ready": "",
        "waiting": "",
    }


def test_the_numbers_lead_to_the_lists_behind_them(desk):
    LoanFactory(overdue=True)
    ReservationFactory(ready=True)
    ReservationFactory()

    for tile in desk.open("/admin/").context["overview"]["tiles"]:
        listed = desk.open(tile["url"])
        if tile["name"] not in ("loans", "returns"):  # which are events, and these rows have none
            assert listed.context["cl"].result_count == tile["count"], tile["name"]


def test_days_on_which_nothing_happened_are_drawn_as_well():
    LoanFactory(lent_at=NOON - timedelta(days=2))
    LoanFactory(returned=True, lent_at=NOON - timedelta(days=3))
    DayFigures.objects.create(day=date(2026, 1, 1), loans=70, returns=7)

    week, year = shown(days=7)["days"], shown(days=365)["days"]

    assert [(span.loans, span.returns) for span in week["spans"]] == [
        (0, 0), (0, 0), (0, 0), (1, 0), (1, 1), (0, 0), (0, 0),
    ]  # fmt: skip
    assert (week["loans"], week["returns"], week["is_weekly"]) == ("2", "1", False)
    assert (year["loans"], year["returns"], year["is_weekly"]) == ("72", "8", True)
    assert {(span.last - span.first).days for span in year["spans"]} == {6}
    assert len(year["spans"]) == 52
    assert [span.loans for span in year["spans"] if span.loans] == [70, 2]


def test_the_most_wanted_titles_stand_beside_their_copies():
    emma, ulysses = BookFactory(title="Emma", copies=2), BookFactory(title="Ulysses")
    CopyFactory(book=emma, lost=True)
    for book, count in ((emma, 3), (ulysses, 1)):
        ReservationFactory.create_batch(count, book=book)
    ReservationFactory(book=ulysses, cancelled=True)

    found = shown()["wanted"]

    assert [(one["title"], one["waiting"], one["copies"], one["width"], one["beside"]) for one in found] == [
        ("Emma", 3, 2, 100.0, 66.7),
        ("Ulysses", 1, 0, 33.3, 0.0),
    ]


def test_lines_are_counted_by_their_length():
    for count in (1, 1, 2, 5, 6, 21):
        ReservationFactory.create_batch(count, book=BookFactory())

    assert [(row["label"], row["count"]) for row in shown()["lines"]] == [
        ("1", 2), ("2", 1), ("3–5", 1), ("6–10", 1), ("11–20", 0), ("21 or more", 1),
    ]  # fmt: skip


def test_overdue_loans_are_counted_by_age():
    for days in (0, 1, 7, 8, 31, 91, 500):
        due = NOON - timedelta(days=days) + timedelta(minutes=1 if days else 0)
        LoanFactory(lent_at=due - timedelta(days=28), due_at=due)

    assert [(row["label"], row["count"]) for row in shown()["late"]] == [
        ("up to 7 days", 2),
        ("7 to 14 days", 1),
        ("14 to 30 days", 0),
        ("30 to 90 days", 1),
        ("more than 90 days", 2),
    ]


def test_turnover_is_loans_per_copy_of_a_category():
    novel, poem = BookFactory(category="novel", copies=3), BookFactory(category="poem")
    for _ in range(2):
        LoanFactory(returned=True, book=novel, lent_at=NOON - timedelta(days=9))
    LoanFactory(book=poem, lent_at=NOON - timedelta(days=9))
    LoanFactory(returned=True, book=novel, lent_at=NOON - timedelta(days=40))

    found = shown()["turnover"]

    # Each returned loan has a copy of its own.
    assert [(one["category"], one["loans"], one["copies"], one["turnover"]) for one in found] == [
        ("poem", 1, 1, 1.0),
        ("novel", 2, 6, 0.33),
    ]


def test_what_the_cache_answered_is_what_this_server_counted(desk):
    LoanFactory()
    book = BookFactory(copies=1)
    before = metrics.cache_reads("availability")
    for _ in range(4):
        desk.client.get(f"/api/books/{book.pk}/availability/")

    reads = metrics.cache_reads("availability")
    more = {name: reads.get(name, 0) - before.get(name, 0) for name in ("hit", "miss")}

    assert more == {"hit": 3, "miss": 1}
    told = desk.open("/admin/").context["overview"]["cache"]
    assert (told["hits"], told["total"]) == (reads["hit"], sum(reads.values()))
    assert charts.share({"hit": 3, "miss": 1})["percent"] == 75
    assert charts.share({}) is None


def test_charts_are_kept_for_a_minute_and_say_since_when():
    first = page.overview(at=NOON, days=30, reads={})
    ReservationFactory()

    again = page.overview(at=NOON + timedelta(seconds=20), days=30, reads={})

    assert (first["line_count"], again["line_count"]) == (0, 0)
    assert again["counted_at"] == NOON
    assert {tile["name"]: tile["count"] for tile in again["tiles"]}["waiting"] == 1
    assert shown()["line_count"] == 1


@pytest.mark.parametrize(
    ("most", "above"), [(1, 1), (3, 4), (7, 8), (10, 10), (11, 20), (41, 50), (99, 100), (601, 800)]
)
def test_scales_end_with_a_round_number(most, above):
    assert charts.ceiling(most) == above


def test_every_chart_has_a_heading_and_its_numbers_in_a_table(desk):
    book = BookFactory(copies=1)
    LoanFactory(book=book, overdue=True)
    LoanFactory(lent_at=timezone.now())
    ReservationFactory(book=book)
    text = desk.open("/admin/", days=90).content.decode()

    for figure in re.findall(r"<figure.*?</figure>", text, re.DOTALL):
        label = re.search(r'<figure[^>]*aria-labelledby="([^"]+)"', figure)[1]
        assert f'<h2 id="{label}"' in figure
        assert "<summary>Show as a table</summary>" in figure or "overview-empty" in figure
        for drawing in re.findall(r"<svg[^>]*>", figure.partition("</p>")[2] or figure):
            assert "aria-hidden" in drawing or "role=" in drawing or 'width="' in drawing


def test_in_a_language_with_decimal_commas_the_drawing_keeps_its_points(desk, settings):
    settings.LANGUAGE_CODE = "de"
    LoanFactory(lent_at=timezone.now() - timedelta(days=2))
    LoanFactory(lent_at=timezone.now())

    text = desk.open("/admin/").content.decode()

    assert re.findall(r'(?:x|y|x1|x2|y1|y2|cx|cy|width|height)="[\d.]*,[\d.]*%"', text) == []
    assert re.search(r'<rect x="\d+\.\d+%"', text)
