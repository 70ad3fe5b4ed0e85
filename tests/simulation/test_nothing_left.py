import os
import signal
import threading
from contextlib import suppress

import psycopg
import pytest
from django.db import connection
from django.db.backends.postgresql.creation import DatabaseCreation

from circulation.simulation import own_database, own_library
from tests.config.test_run import free_port
from tests.simulation.runs import left, sizes, start
from tests.waiting import until

pytestmark = pytest.mark.slow

DEADLINE = 60  # seconds


def wait_until_there(what: str, process: int) -> None:
    """Until a simulation has its database, or does its work there."""
    until(lambda: _lends(process) if what == "event" else left(process))


def _lends(process: int) -> bool:
    """Whether something was lent, and so all desks are open."""
    for name in left(process):
        # Its tables may not be there yet.
        with suppress(psycopg.Error), psycopg.connect(os.environ["DATABASE_URL"], dbname=name) as library:
            return library.execute("SELECT FROM circulation_loan LIMIT 1").fetchone() is not None
    return False


@pytest.mark.parametrize(
    ("number", "when", "code", "said"),
    [
        (signal.SIGINT, "event", 1, "CommandError: Stopped after "),
        (signal.SIGINT, "database", 1, "CommandError: Stopped after 0 of 100,000 events. Nothing is left of it.\n"),
        (signal.SIGTERM, "event", 143, ""),
    ],
)
def test_nothing_is_left_when_it_is_stopped(number, when, code, said):
    run = start(*sizes(events=100_000, workers=3))
    wait_until_there(when, run.pid)
    run.send_signal(number)
    _, errors = run.communicate(timeout=DEADLINE)
    assert run.returncode == code, errors
    assert errors.startswith(said)
    assert errors.count("\n") == bool(said)
    assert left(run.pid) == []


def test_nothing_is_left_after_a_failure_between(simulate, monkeypatch):
    def fail(_):
        assert left(os.getpid()) != []
        raise RuntimeError("in the middle")

    monkeypatch.setattr(own_library, "digest", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        simulate(events=20)
    assert left(os.getpid()) == []


def test_nothing_is_left_where_the_database_cannot_be_made(simulate, monkeypatch):
    def refuse(self, *_):
        self.log("Got an error creating the test database: no space left on device")
        raise SystemExit(2)

    monkeypatch.setattr(DatabaseCreation, "_create_test_db", refuse)
    ran = simulate(events=20)
    assert ran.failure == "Got an error creating the test database: no space left on device"


def test_a_session_that_may_not_be_ended_is_waited_for(monkeypatch):
    """As one of autovacuum, which belongs to nobody."""
    name = f"in_use_{os.getpid()}"
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        session = psycopg.connect(url, dbname=name, user="postgres")
        with monkeypatch.context() as impatient:
            impatient.setattr(own_database, "DROP_PAUSES", ())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                own_database.drop(server, name)

        leaving = threading.Timer(0.5, session.close)
        leaving.start()
        own_database.drop(server, name)
        leaving.join()

        found = server.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name]).fetchone()
    assert found == (0,)


def test_a_kept_database_is_named_with_how_to_look_at_it(simulate):
    ran = simulate(events=20, keep=True)
    library = connection.settings_dict["NAME"]
    [name] = left(os.getpid())
    told = ran.out[-2:]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        with psycopg.connect(os.environ["DATABASE_URL"], dbname=name) as kept:
            assert kept.execute("SELECT count(*) FROM library_book").fetchone() == (6,)
        server.execute(f'DROP DATABASE "{name}"')
    assert told == [
        f"Kept: the database {name}. To look at it: manage.py dbshell, then \\c {name}",
        f'To remove it: \\c {library}, then DROP DATABASE "{name}";',
    ]


@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ({"events": 0}, "--events is at least 1, not 0."),
        ({"members": -1}, "--members is at least 1, not -1."),
        ({"titles": 0}, "--titles is at least 1, not 0."),
        ({"workers": 0}, "--workers is at least 1, not 0."),
        ({"workers": 65}, "--workers is at most 64, not 65."),
        ({"check_every": 0}, "--check-every is at least 1, not 0."),
        ({"http": "localhost:8000"}, "--http is a URL such as http://127.0.0.1:8000, not 'localhost:8000'."),
        ({"http": "http://127.0.0.1:1"}, "Nobody answers at http://127.0.0.1:1."),
        ({"http": "http://127.0.0.1:1", "keep": True}, "--keep is for a database of its own, and --http has none."),
    ],
)
def test_bad_arguments_are_one_line(simulate, options, failure):
    ran = simulate(**options)
    assert (ran.out, ran.err, ran.failure) == ([], [], failure)


def test_a_database_that_does_not_answer_is_one_line_without_its_password():
    run = start(*sizes(events=10), DATABASE_URL=f"postgresql://desk:hidden@127.0.0.1:{free_port()}/desk")
    out, errors = run.communicate(timeout=DEADLINE)
    assert (run.returncode, out) == (1, "")
    assert errors == (
        "CommandError: A simulation makes a database beside the library's, which does not answer: Connection refused\n"
    )


def test_an_account_that_may_not_make_databases_is_told_how_to():
    with psycopg.connect(os.environ["DATABASE_URL"], user="postgres", autocommit=True) as server:
        server.execute("CREATE ROLE simulating_clerk LOGIN")
        try:
            url = os.environ["DATABASE_URL"].replace("//circdesk@", "//simulating_clerk@")
            run = start(*sizes(events=10), DATABASE_URL=url)
            out, errors = run.communicate(timeout=DEADLINE)
        finally:
            server.execute("DROP ROLE simulating_clerk")
    assert (run.returncode, out) == (1, "")
    assert errors == (
        "CommandError: A simulation makes a database of its own, and the account simulating_clerk may not: "
        "ALTER ROLE simulating_clerk CREATEDB.\n"
    )
