import re

import pytest

from circulation.simulation.chance import Chance, running_sums
from circulation.simulation.desk import Kind
from circulation.simulation.report import plot
from tests.simulation.runs import sizes, start


def test_the_same_seed_ends_the_same_in_another_process_and_another_seed_does_not():
    runs = [
        start("--seed", seed, *sizes(events=40), PYTHONHASHSEED=hashing)
        for seed, hashing in ((5, "1"), (5, "2"), (6, "1"))
    ]
    reports = [run.communicate(timeout=120) for run in runs]
    assert [(run.returncode, errors) for run, (_, errors) in zip(runs, reports, strict=True)] == [(0, "")] * 3
    first, again, other = (re.findall(r"^  ([0-9a-f]{64})$", out, re.MULTILINE) for out, _ in reports)
    assert len(first) == 1
    assert first == again
    assert first != other
    assert f"Digest {first[0][:12]}," in reports[0][0]
    told = [re.sub(r"[\d.,]+ (s of ours|a second|s\.)", "", out) for out, _ in reports]
    assert told[0] == told[1]


@pytest.mark.parametrize("check_every", [9, 1000])
def test_a_seed_ends_as_when_this_was_written_however_often_it_is_checked(simulate, check_every):
    """Other rules of the desk, or another stream, end otherwise: then this is another digest, and nothing is wrong."""
    ran = simulate(seed=8, events=160, titles=3, check_every=check_every)
    assert ran.failure is None
    assert "  40a73a628adcde2f5487816d33c7fa031d8a65326e404f1264ee66b9389d039e" in ran.out
    table = ran.out[ran.out.index(next(line for line in ran.out if line.startswith("Events "))) + 1 :]
    assert {line.split()[0] for line in table[: table.index("")] if line[0] != " "} == set(Kind)


def test_chance_follows_from_the_seed():
    chance = Chance(42)
    assert [chance.below(100) for _ in range(5)] == [63, 2, 27, 22, 73]
    assert [chance.between(3, 5) for _ in range(5)] == [5, 5, 3, 4, 3]
    sums = running_sums([1, 0, 3])
    drawn = [chance.weighted(sums) for _ in range(400)]
    assert (drawn.count(0), drawn.count(1)) == (102, 0)
    assert chance.between(5, 2) == 5


@pytest.mark.parametrize(("days", "columns"), [(1, 1), (40, 40), (500, 72)])
def test_the_plot_fits_80_columns_and_reaches_the_top_where_most_wait(days, columns):
    lengths = [(number, 1) for number in range(1, days + 1)]
    lines = list(plot(lengths))
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith(f"{days:>6} |")
    assert lines[1].endswith("#")
    assert lines[-2] == "     0 +" + "-" * columns


def test_the_plot_of_empty_lines_is_a_sentence():
    assert list(plot([(0, 0), (0, 0)])) == ["Nobody waited at the end of any day."]
    assert list(plot([])) == ["Nobody waited at the end of any day."]
