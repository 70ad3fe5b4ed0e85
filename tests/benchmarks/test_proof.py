"""The page of the proof: what it says of each aim, where its numbers go, and its pictures."""

import re

import pytest

from benchmarks import kept, proof


def bench(*, service=100.0, floor=1_000.0):
    turn = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    load = {"floor": [turn | {"per_second": floor}], "service": [turn | {"per_second": service}]}
    return {
        "date": "2026-01-02",
        "machine": {"cpu": "A machine", "cores": 2, "versions": {"PostgreSQL": "18"}},
        "loads": dict.fromkeys(("1", "4", "16", "32", "75"), load),
        "paced": {"p95": 80.0},
        "availability": {"ratios": [0.5, 0.7, 0.65], "stale_ms": 60.0},
        "imports": [{"seconds": 4.0, "copy_seconds": 1.0}],
        "peaks": {"rows": 10, "short": 100, "long": 110},
        "largest_process": 90e6,
    }


def large(*, long_line=4.0):
    def times(factor):
        return {"10": [[1.0, 2.0, 3.0]], "1000": [[factor, 2 * factor, 3.0]]}

    return {
        "date": "2026-01-02",
        "machine": {"cpu": "A machine", "cores": 2, "versions": {}},
        "sizes": [10, 1000],
        "line": 10_000,
        "desk": {"check-out, 1 client": times(1.1)},
        "lists": {
            "a search for a word": times(3.0),
            "titles by title, deep": times(1.0),
            "a member's loans": times(1.0),
        },
        "first_pages": {"titles": times(1.0)},
        "deep_pages": {"titles": times(1.2)},
        "returns": {"no line": times(1.0), "a line of 10": times(4.0), "the long line": times(long_line)},
        "paced": {"seconds": 180.0, "p95": 50.0},
        "paced_size": 1000,
    }


def storm():
    each = [{"at": at, "requests": 10, "p50_ms": 1.0, "p99_ms": 5.0, "retried": at} for at in range(3)]
    strikes = [{"at": 1, "what": "PostgreSQL was killed"}]
    return {"seconds": 3, "seed": 7, "each": each, "strikes": strikes, "verdict": {"lent twice": 0}}


@pytest.mark.parametrize(
    ("aim", "verdict"),
    [
        (proof.Aim("", 0.2, 0.1, at_least=True), "**missed**, by 50%"),
        (proof.Aim("", 0.2, 0.3, at_least=True), "met, by 50%"),
        (proof.Aim("", 100, 80), "met, by 20%"),
        (proof.Aim("", 1.25, 2.5), "**missed**, by 100%"),
        (proof.Aim("", 1.25, 1.25), "met, by 0%"),
    ],
)
def test_an_aim_is_met_or_missed_by_so_much(aim, verdict):
    assert aim.verdict == verdict


def test_every_aim_is_told_once_it_was_measured():
    told = {aim.what: aim.is_met for aim in proof.aims(bench(), large())}

    assert told == {
        "check-outs and returns beside the floor's, 1 client": False,
        "check-outs and returns beside the floor's, 16 clients": False,
        "check-outs and returns beside the floor's, 75 clients": False,
        "FOLIO's profile for a minute: p95": True,
        "cached availability beside a bare view, 16 clients": True,
        "after a change, until nobody is shown the old": False,
        "rows imported in a second, beside COPY's": False,
        "memory of an import, for ten times the rows": True,
        "memory of the largest process": True,
        "check-out of 1,000 titles beside 10: p50": True,
        "check-out of 1,000 titles beside 10: p95": True,
        "a deep page beside one of the first, at worst (titles): p50": True,
        "a return into a line of 10,000 beside none: p50": False,
        "a return into a line of 10,000 beside none: p95": False,
        "a return into a line of 10,000 beside one of 10: p50": True,
        "a return into a line of 10,000 beside one of 10: p95": True,
        "FOLIO's profile for 3 min, 1,000 titles: p95": True,
    }


def test_nothing_is_told_of_what_was_not_measured():
    assert list(proof.aims({}, {})) == []
    assert set(proof.blocks({}, {}, {}).values()) == {proof.MISSING}


def test_numbers_go_between_their_marks_and_words_stay():
    page = "Words.\n\n<!-- numbers: aims -->\nold\n<!-- end -->\n\nMore.\n"

    filled = proof.filled(page, {"aims": "new\n\nlines"})

    assert filled == "Words.\n\n<!-- numbers: aims -->\nnew\n\nlines\n<!-- end -->\n\nMore.\n"
    assert proof.filled(filled, {"aims": "new\n\nlines"}) == filled


def test_a_text_without_a_place_is_not_lost_in_silence():
    with pytest.raises(ValueError, match="growth"):
        proof.filled("<!-- numbers: aims -->\n<!-- end -->\n", {"aims": "", "growth": ""})


def test_the_page_has_a_place_for_everything():
    assert proof.filled(proof.PAGE.read_text(encoding="utf-8"), proof.blocks(bench(), large(), storm()))


def test_the_page_says_what_was_kept():
    """As `make proof` leaves it: nobody put other numbers there."""
    page = proof.PAGE.read_text(encoding="utf-8")

    found = proof.blocks(kept.read("bench"), kept.read("large"), kept.read("storm"))

    assert proof.filled(page, found) == page


def test_a_storm_is_told_by_its_strikes_and_its_verdict():
    told = proof.blocks({}, {}, storm())["storm"]

    assert told.startswith(
        "Seed 7, 3 seconds: 30 requests answered, 3 tried again.\n\n1. at 1 s: PostgreSQL was killed\n\n"
    )
    assert "| lent twice | 0 |" in told


def test_pictures_are_the_same_for_the_same_numbers_and_have_no_colour_of_their_own():
    plots = pytest.importorskip("benchmarks.plots", exc_type=ImportError, reason="needs requirements-bench.txt")
    drawn = [
        plots.latency_against_load(bench()["loads"]),
        plots.growth({"check-out": {"10": [1.0], "1000": [1.1]}}, 1.25),
        plots.storm(storm()),
    ]

    assert plots.storm(storm()) == drawn[2]
    for picture in drawn:
        body = picture.replace(re.search(r"<style>.*?</style>", picture)[0], "")
        assert set(re.findall(r"#0[1-6]0[1-6]0[1-6]", body)) == set()
        assert "<title>" in picture
        assert "prefers-color-scheme:dark" in picture
