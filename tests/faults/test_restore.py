"""A library lost and restored as docs/operations.md tells it: sound, and nothing told twice, not at all or wrongly."""

import json
import os
import subprocess
import sys

import psycopg
import pytest
from django.core.cache import cache as redis_cache
from django.db import connection
from psycopg import sql

from circulation.invariants import broken
from circulation.models import Loan
from circulation.services import check_out, return_copy
from circulation.simulation.own_database import drop, own_database
from config import embedded
from config.servers import ENVIRONMENT, Postgres
from events import consuming, relay
from events.consuming import Group, Worker
from events.models import Consumer, Event
from events.stream import Stream
from library.services import add_title, enrol
from reservations import availability
from reservations.services import reserve
from tests.circulation.commands import run
from tests.events.conftest import publish, short
from tests.factories import NOW
from tests.simulation.service import url_of
from tests.walks import steps

pytestmark = pytest.mark.slow

BINARIES = str(Postgres(embedded.home()).binaries())


class Listener:
    """Whoever follows the stream of events: what it heard, and how often it had to begin anew."""

    def __init__(self, name, stream):
        self.heard, self.missed = [], 0
        self.group = Group(name, stream, lambda messages: self.heard.extend(m["id"] for m in messages), self._miss)

    def _miss(self):
        self.missed += 1

    def listen(self):
        worker = Worker(self.group, "one")
        for _ in range(6):
            worker.step()
            relay.look_after_streams()


@pytest.fixture
def library(django_db_blocker, monkeypatch):
    stream = Stream("restored")
    monkeypatch.setattr(consuming, "BLOCK", 0.01)
    monkeypatch.setattr(consuming, "PAUSE", 0.01)
    monkeypatch.setattr(consuming, "ASK_AGAIN", 0.0)
    with django_db_blocker.unblock(), own_database(workers=1) as name:
        monkeypatch.setattr(relay, "outlets", [relay.Outlet(stream, short)])
        yield name, stream
        stream.remove()


def shell(command, database, directory):
    environment = {
        "DATABASE_URL": url_of(database),
        "PATH": f"{os.path.dirname(sys.executable)}:{BINARIES}:{os.defpath}",
    }
    done = subprocess.run(
        command, shell=True, cwd=directory, env=ENVIRONMENT | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def emptied(database):
    """As a machine that lost its disk, with a new database of that name."""
    connection.close()
    connection.close_pool()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        drop(server, database)
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))


def everything_that_happened():
    return list(Event.objects.order_by("pk").values_list("pk", "kind", "book_id", "member_id", "payload"))


def test_a_restored_library_is_sound_and_goes_on(library, tmp_path, monkeypatch):
    database, stream = library
    (dump, _), (restore, _), (restored, said), (check, checked) = steps("docs/operations.md", "Backup and restore")
    ours, elsewhere = Listener("ours", stream), Listener("elsewhere", stream)
    monkeypatch.setattr(consuming, "groups", [ours.group])

    ada, grace = enrol(first_name="Ada", at=NOW), enrol(first_name="Grace", at=NOW)
    emma, lost = add_title(title="Emma", at=NOW), add_title(title="Sanditon", at=NOW)
    relay.look_after_streams()
    publish()
    ours.listen()
    elsewhere.listen()
    heard = Event.objects.count()
    lent = check_out(member_id=ada.pk, book_id=emma.pk, at=NOW)
    reserve(member_id=grace.pk, book_id=emma.pk, at=NOW)
    publish()  # and not heard by ours before the backup
    add_title(title="Persuasion", at=NOW)  # nor published
    known = everything_that_happened()
    unheard = [pk for pk, *_ in known][heard:]
    shell(dump, database, tmp_path)

    # What happens now is lost: heard, and read into the cache.
    return_copy(loan_id=lent.loan.pk, at=NOW)
    check_out(member_id=ada.pk, book_id=lost.pk, at=NOW)
    publish()
    elsewhere.listen()
    ours.listen()
    lost_ids = set(Event.objects.values_list("pk", flat=True)) - {pk for pk, *_ in known}
    assert availability.of(lost.pk)["available"] == 0
    elsewhere_is_at = Consumer.objects.get(group="elsewhere").position
    ours.heard.clear()

    emptied(database)
    shell(restore, database, tmp_path)
    Consumer.objects.filter(group="elsewhere").update(position=elsewhere_is_at)  # whose database was not lost
    assert restored == ".venv/bin/python manage.py restored"
    assert run("restored").out == [said]
    assert check == ".venv/bin/python manage.py check_invariants"
    assert run("check_invariants").out == checked.splitlines()

    assert everything_that_happened() == known
    assert broken() == []
    assert Loan.objects.active().get() == lent.loan
    assert availability.of(lost.pk)["available"] == 1

    # It goes on.
    elsewhere.missed = 0
    return_copy(loan_id=lent.loan.pk, at=NOW)
    since = [pk for pk, *_ in everything_that_happened()][len(known) :]
    publish()
    ours.listen()
    elsewhere.listen()

    assert min(since) > max(lost_ids)
    assert ours.heard == [*unheard, *since]
    assert not lost_ids & {json.loads(entry.message)["id"] for entry in stream.last(100)}
    assert (ours.missed, elsewhere.missed) == (1, 1)  # ours: when it began
    redis_cache.clear()
