"""The libraries of `make bench-large`: their statements, when they are built anew, and the room that they need."""

import re
from collections import namedtuple

import pytest

from benchmarks import large_library, large_report
from benchmarks.library import Size

SMALL, LARGE = Size(10_000), Size(1_000_000)


def test_the_script_has_its_steps_and_every_number_is_filled_in():
    parts = dict(large_library._parts(SMALL))

    assert list(parts) == [
        *("Functions", "Members", "Titles", "Copies", "Loans", "Reservations"),
        *("Events of the catalogue", "Events of the desk"),
    ]
    assert not re.search(r"(?<!:):[a-z]", "".join(parts.values()))
    assert "generate_series(1, 10000) book" in parts["Copies"]


def test_numbers_grow_in_proportion_but_words_with_the_root():
    assert (SMALL.members, SMALL.line) == (2_000, 1_000)
    assert (LARGE.members, LARGE.line) == (200_000, 10_000)
    assert (SMALL.among(4000), Size(100_000).among(4000), LARGE.among(4000)) == (1264, 4000, 12649)


def test_a_library_is_built_anew_when_its_statements_or_the_migrations_change(monkeypatch, tmp_path):
    before = large_library.stamp(SMALL)
    assert before == large_library.stamp(SMALL) != large_library.stamp(LARGE)

    changed = tmp_path / "large_library.sql"
    changed.write_text(large_library.SQL.read_text(encoding="utf-8").replace("'lost a card'", "'lost'"), "utf-8")
    monkeypatch.setattr(large_library, "SQL", changed)

    assert large_library.stamp(SMALL) != before


@pytest.mark.parametrize(("free", "said"), [(30e9, ""), (20e9, "26 GB are needed, 20 GB are free")])
def test_a_disk_without_room_is_told_of_before_anything_is_built(monkeypatch, tmp_path, free, said):
    monkeypatch.setattr(large_library.embedded, "home", lambda: namedtuple("Home", "directory")(tmp_path))
    monkeypatch.setattr(large_library.shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(free))

    why = large_library.missing_room([LARGE], [LARGE])

    assert said in why
    assert bool(why) == bool(said)


def test_how_many_times_as_long_is_taken_turn_by_turn():
    assert large_report.factors([[2.0, 4.0], [4.0, 8.0]], [[3.0, 4.0], [2.0, 16.0]], large_report.P50) == [1.5, 0.5]
