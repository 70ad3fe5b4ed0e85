"""The desk behind a real PgBouncer in transaction mode, which has fewer connections than the desk has clients."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connection, connections

from circulation.invariants import broken
from circulation.models import Loan
from circulation.simulation.own_database import own_database
from config.databases import SESSION, databases
from config.pgbouncer import base
from events.models import StoredAnswer
from library.models import Book
from library.services import add_title, enrol
from tests.circulation.commands import run
from tests.factories import NOW, BranchFactory
from tests.pgbouncer import needs_pgbouncer, pgbouncer
from tests.simulation.runs import ROOT
from tests.simulation.service import web_server

pytestmark = needs_pgbouncer

LISTS = ("statistics/", "books/?search=t&facets=true", "loans/?status=open", "circulation/events/")
SERVERS = 4  # connections to PostgreSQL, for 8 clients and the commands beside them


@pytest.fixture(scope="module")
def behind(django_db_blocker):
    """What the environment of a process behind PgBouncer has. This process goes past it, to the same database."""
    with django_db_blocker.unblock(), own_database(workers=1) as name, pgbouncer(SERVERS) as address:
        connection.ensure_connection()
        BranchFactory(name="Harbour")
        with connection.cursor() as cursor:  # of which sessions must not have anything, either
            cursor.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
        yield {"DATABASE_URL": f"{address}/{name}", "PGBOUNCER": "on", "DJANGO_SETTINGS_MODULE": "config.settings"}


@pytest.fixture(scope="module")
def url(behind):
    run("session_defaults")
    with web_server(connection.settings_dict["NAME"], **behind) as (url, _):
        yield url


def engine(behind):
    """A connection as a process behind PgBouncer makes them."""
    made = connections.create_connection(DEFAULT_DB_ALIAS)
    settings = databases(behind["DATABASE_URL"], pool_size=1, pgbouncer="on")["default"]
    wrapper = base.DatabaseWrapper
    settings["OPTIONS"].pop("pool")
    return wrapper({**made.settings_dict, **settings}, DEFAULT_DB_ALIAS)


def manage(behind, *arguments):
    return subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | behind,
        capture_output=True,
        text=True,
    )


def test_a_session_that_would_wait_for_locks_without_end_is_refused_and_says_what_to_do(behind):
    desk = engine(behind)
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured) as refused:
            desk.ensure_connection()

    assert str(refused.value) == (
        "Sessions behind PgBouncer have lock_timeout 0 in place of 3s, idle_in_transaction_session_timeout 0 in place "
        "of 10s, pg_trgm.word_similarity_threshold unset in place of 0.45. Run `manage.py session_defaults` past "
        "PgBouncer, then RECONNECT on its console."
    )


def test_checks_say_it_too(behind):
    checked = manage(behind, "check", "--database", "default")

    assert checked.returncode == 1
    assert checked.stderr.startswith("Sessions behind PgBouncer have lock_timeout 0 in place of 3s, ")


def test_migrations_go_past_it(behind):
    migrated = manage(behind, "migrate")

    assert migrated.stderr == (
        "CommandError: Migrations go past PgBouncer: give the DATABASE_URL of PostgreSQL itself, and PGBOUNCER=off.\n"
    )


def test_what_it_does_not_know_it_refuses_so_nothing_of_that_is_sent(behind):
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        psycopg.connect(behind["DATABASE_URL"], options="-c lock_timeout=3s")


def test_sessions_have_what_is_made_their_default(behind):
    ran = run("session_defaults")
    assert ran.out == [
        "Sessions of circdesk now begin with lock_timeout 3s, idle_in_transaction_session_timeout 10s, "
        "pg_trgm.word_similarity_threshold 0.45."
    ]
    with psycopg.connect(f"{behind['DATABASE_URL'].rpartition('/')[0]}/pgbouncer", autocommit=True) as console:
        console.pgconn.exec_(b"RECONNECT")  # it knows no other protocol

    desk = engine(behind)
    with desk.cursor() as cursor:
        found = []
        for name in SESSION:
            cursor.execute("SELECT current_setting(%s)", [name])
            found.append(cursor.fetchone()[0])
    assert found == list(SESSION.values())

    desk.close()


def test_a_cursor_of_the_server_lives_as_long_as_its_transaction(behind):
    desk = engine(behind)
    with desk.chunked_cursor() as cursor:
        assert not hasattr(cursor.cursor, "name")
        cursor.execute("SELECT generate_series(1, 5)")
        assert cursor.fetchmany(2) == [(1,), (2,)]

    desk.set_autocommit(False)
    desk.in_atomic_block = True
    with desk.chunked_cursor() as cursor:
        assert cursor.cursor.name
        cursor.execute("SELECT generate_series(1, 5)")
        assert cursor.fetchmany(2) == [(1,), (2,)]
    desk.in_atomic_block = False
    desk.rollback()
    desk.close()


def test_who_waits_for_a_lock_is_told_that_the_desk_is_busy(url):
    member, book = enrol(first_name="Ada", at=NOW), add_title(title="Emma", copies=1, at=NOW)
    sent = {"member_id": member.pk, "book_id": book.pk}
    with psycopg.connect(**{**connection.get_connection_params(), "context": None}) as other:
        other.execute("SELECT 1 FROM library_book WHERE id = %s FOR NO KEY UPDATE", [book.pk])
        answer = requests.post(f"{url}/api/circulation/checkout/", json=sent, timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "BUSY")
        other.rollback()

    answer = requests.post(f"{url}/api/circulation/checkout/", json=sent, timeout=30)
    assert (answer.status_code, answer.json()["data"]["outcome"]) == (201, "lent")


@pytest.mark.slow
def test_in_a_storm_every_promise_holds(url, behind, tmp_path):
    (tmp_path / "books.csv").write_text("title,author,copies\n" + "".join(f"T{n},A{n},2\n" for n in range(300)))
    stop = threading.Event()
    answers, lists = [], []

    def read_again_and_again():
        while not stop.is_set():
            lists.extend(requests.get(f"{url}/api/{path}", timeout=30).status_code for path in LISTS)

    def twice(number):
        """The same request at the same time, under one key."""
        body, headers = {"first_name": f"Twin {number}", "last_name": "Storm"}, {"Idempotency-Key": f"storm-{number}"}
        sent = (requests.post(f"{url}/api/members/", json=body, headers=headers, timeout=30) for _ in range(2))
        answers.extend(answer.status_code for answer in sent)

    with ThreadPoolExecutor(12) as clients:
        reader = clients.submit(read_again_and_again)
        beside = [
            clients.submit(manage, behind, "import_books", tmp_path / "books.csv"),
            clients.submit(manage, behind, "export", tmp_path / "out"),
        ]
        keys = [clients.submit(twice, number // 2) for number in range(20)]
        storm = manage(
            {},
            "simulate",
            "--http",
            url,
            *("--seed", 7, "--events", 80, "--workers", 8, "--titles", 8, "--members", 16),
        )
        done = [command.result() for command in beside]
        for key in keys:
            key.result()
        stop.set()
        reader.result()

    assert storm.returncode == 0, storm.stdout + storm.stderr
    assert [command.returncode for command in done] == [0, 0], [command.stderr for command in done]
    assert set(lists) == {200}
    assert set(answers) <= {201, 409}
    assert broken() == []
    assert Book.objects.filter(title__startswith="T", authors__startswith="A").count() >= 300
    assert StoredAnswer.objects.filter(key__startswith="storm-").count() == 10
    assert Loan.objects.count() > 10
