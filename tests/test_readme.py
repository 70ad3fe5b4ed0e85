"""The tour of the README, run line by line."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from circulation.models import Loan
from library.models import Book, Member
from reservations.models import Reservation

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```console\n\$ (.*?)\n```", re.DOTALL)
# What differs from one day to the next.
VARYING = re.compile(r'\d{4}-\d\d-\d\d(T[\d:.]+Z)?|"(version|estimated_wait_days)":\d+')


def tour() -> list[tuple[str, str]]:
    """Each command with the output that stands below it."""
    steps = []
    for block in BLOCK.findall(README.read_text(encoding="utf-8")):
        lines = block.split("\n")
        end = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        steps.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return steps


def count_from_one(*models):
    """As on an empty machine: the numbers in the tour are those of a new library."""
    with connection.cursor() as cursor:
        for model in models:
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1, false)", [model._meta.db_table])


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is told with curl, which is not installed")
@pytest.mark.django_db(transaction=True)
def test_the_tour_in_the_readme_answers_what_stands_there(live_server, settings):
    settings.OPEN_DESK = True
    count_from_one(Book, Member, Loan, Reservation)
    call_command("load_demo", verbosity=0)

    for command, shown in tour():
        here = command.replace("localhost:8000", live_server.url.removeprefix("http://"))
        answered = subprocess.run(["/bin/sh", "-c", here], check=True, capture_output=True, text=True).stdout
        assert VARYING.sub("…", answered) == VARYING.sub("…", shown), command


def test_the_tour_has_all_its_steps():
    assert len(tour()) == 12
