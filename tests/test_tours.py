"""The tours of the README, of docs/api.md and of docs/import.md, run line by line."""

import os
import re
import shlex
import subprocess
import sys
import threading

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from circulation.jobs.tasks import resume_jobs
from circulation.models import Job, Loan
from library.models import Book, Member
from reservations.models import Reservation
from tests.simulation.service import url_of
from tests.walks import NEXT, ROOT, Steps, steps, told_with_curl

README, API, IMPORT = "README.md", "docs/api.md", "docs/import.md"
# What differs from one day to the next.
VARYING = re.compile(r'\d{4}-\d\d-\d\d(T[\d:.]+Z)?|"(version|estimated_wait_days)":\d+')
# Told twice: at an open desk, and at a closed one with a key.
SPECIFICATIONS = {"The reservation challenge": 8, "Simple borrowing": 6, "Two services": 10, "Partner libraries": 8}

pytestmark = [
    told_with_curl,
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
]


def answered(told: Steps, url: str) -> list[str]:
    """What each command says, all in one shell, as they would be typed."""
    host = url.removeprefix("http://")
    script = "".join(f"{command}\necho\necho '{NEXT}'\n" for command, _ in told)
    script = script.replace("localhost:8000", host).replace(".venv/bin/python", shlex.quote(sys.executable))
    environment = os.environ | {"DATABASE_URL": url_of(connection.settings_dict["NAME"])}
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return [said.strip().replace(host, "localhost:8000") for said in done.stdout.split(NEXT)[:-1]]


@pytest.fixture
def demo():
    """The demo library as on an empty machine: the numbers in the tours are those of a new library."""
    with connection.cursor() as cursor:
        for model in (Book, Member, Loan, Reservation, Job):
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1, false)", [model._meta.db_table])
    call_command("load_demo", verbosity=0)


@pytest.fixture
def worker():
    """Does jobs while the tour goes on, as the one of `make run`."""
    over = threading.Event()

    def work():
        try:
            while not over.wait(0.1):
                resume_jobs()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("demo", "worker")
@pytest.mark.parametrize(
    ("page", "heading", "length", "is_open"),
    [
        (README, "Five minutes at the desk", 12, True),
        (API, "Signed in: a tour", 11, False),
        (IMPORT, "Files over HTTP", 3, True),
        (API, "Document availability", 3, False),
        *((API, heading, length, is_open) for heading, length in SPECIFICATIONS.items() for is_open in (True, False)),
    ],
)
def test_a_tour_answers_what_stands_there(live_server, settings, page, heading, length, is_open):
    settings.OPEN_DESK = is_open
    User.objects.create_superuser("admin", password="as `make run` makes one")
    told = steps(page, heading)
    assert len(told) == length
    if heading in SPECIFICATIONS and not is_open:
        told = steps(API, "As other specifications write it") + told

    for (command, shown), said in zip(told, answered(told, live_server.url), strict=True):
        assert VARYING.sub("…", said.replace("\r", "")) == VARYING.sub("…", shown), command
