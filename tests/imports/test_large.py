"""Large files: little memory, and going on after a kill."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from circulation.imports.formats.reading import read
from circulation.invariants import broken
from events.models import Event
from library.models import Book, Copy
from tests.circulation.commands import run
from tests.imports.processes import end_its_connections, in_a_process

MEGABYTE = 1 << 20


def table(path: Path, rows: int) -> Path:
    with path.open("w") as file:
        file.write("id,title,author,copies\n")
        file.writelines(f'{n},"Title number {n}, and what it is about",Author {n % 977},1\n' for n in range(rows))
    return path


def peak_memory(code: str) -> int:
    """The most memory, in bytes, that a process of its own took for some code."""
    end = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    done = subprocess.run(
        [sys.executable, "-c", code + end], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1])


@pytest.mark.slow
def test_reading_takes_the_same_memory_for_many_rows_as_for_few(tmp_path):
    """A row takes some 500 bytes in memory: 200,000 of them would be a hundred megabytes."""
    used = []
    for rows in (2_000, 200_000):
        path = table(tmp_path / f"{rows}.csv", rows)
        used.append(
            peak_memory(
                "from pathlib import Path; from circulation.imports.formats.reading import read; "
                f"file = read(Path({str(path)!r})); assert sum(1 for _ in file.items) == {rows}; file.items.close()"
            )
        )

    assert used[1] - used[0] < 15 * MEGABYTE


def test_what_was_read_can_be_read_again(tmp_path):
    file = read(table(tmp_path / "titles.csv", 1_000))

    assert [item.line for item in file.items] == [item.line for item in file.items] == list(range(2, 1_002))
    file.items.close()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path):
    path = table(tmp_path / "titles.csv", 6_000)
    process = in_a_process("import_books", str(path))
    while Book.objects.count() < 500 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    there = Book.objects.count()
    assert 500 <= there < 6_000
    assert there % 500 == 0

    again = run("import_books", path)

    assert again.out == [f"{path}: {6_000 - there} added, 0 changed, {there} unchanged, 0 refused."]
    assert (Book.objects.count(), Copy.objects.count()) == (6_000, 6_000)
    assert Event.objects.count() == 12_000
    assert broken() == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_import_that_is_stopped_says_how_to_go_on(tmp_path):
    path = table(tmp_path / "titles.csv", 6_000)
    process = in_a_process("import_books", str(path))
    while Book.objects.count() < 500 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)

    assert said.splitlines()[-1] == ("CommandError: Stopped. What went in before stays; run the import again to go on.")
    assert "Traceback" not in said
    assert process.returncode == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_import_whose_connections_are_ended_says_so_in_a_line_and_goes_on_later(tmp_path):
    """One that is lost in the midst of a batch is replaced, so they are ended until the import gives up."""
    path = table(tmp_path / "titles.csv", 6_000)
    process = in_a_process("import_books", str(path))
    while Book.objects.count() < 500 and process.poll() is None:
        time.sleep(0.02)
    ended = 0
    while process.poll() is None:
        ended += end_its_connections()
        time.sleep(0.001)
    said, _ = process.communicate(timeout=20)
    there = Book.objects.count()

    assert ended > 0
    assert process.returncode == 1
    assert re.fullmatch(
        r"CommandError: PostgreSQL: .+\. What went in before stays; run the import again to go on\.\n", said
    ), said
    assert 500 <= there < 6_000
    assert run("import_books", path).out == [f"{path}: {6_000 - there} added, 0 changed, {there} unchanged, 0 refused."]
    assert broken() == []


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_a_time_add_everything_once(tmp_path):
    path = table(tmp_path / "titles.csv", 2_000)

    processes = [in_a_process("import_books", str(path)) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], said
    assert (Book.objects.count(), Copy.objects.count(), Event.objects.count()) == (2_000, 2_000, 4_000)
    assert broken() == []
