"""Two thousand operations, and in the middle of them everything that carries events is killed, flushed or away."""

import json
import random
import threading
import time

import pytest
import redis
from django.db import connection
from django.utils import timezone

from circulation.services import Lent, check_out, return_copy
from events.exceptions import DomainError
from events.models import Consumer, Event, FailedMessage
from events.relay import unpublished
from library.models import Copy
from library.services import add_title, enrol
from tests.faults.carriers import Carriers
from tests.servers import own_valkey
from tests.waiting import until

OPERATIONS = 2000
COMMANDS = {
    "relay": ["manage.py", "relay_events"],
    "standby": ["manage.py", "relay_events"],
    "consumer": ["-m", "tests.faults.listening"],
}

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def valkey():
    with own_valkey() as server:
        yield server


@pytest.fixture
def heard():
    """Where the consumer puts what it heard, in its own transaction with its position."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS heard_events, heard_copies")
        cursor.execute("CREATE TABLE heard_events (event bigint, times int, PRIMARY KEY (event))")
        cursor.execute("CREATE TABLE heard_copies (barcode text PRIMARY KEY, status text, version bigint)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE heard_events, heard_copies")


def rows(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_every_event_is_published_and_heard_once_and_the_listener_knows_what_there_is(valkey, heard):
    carriers = Carriers(valkey, COMMANDS)
    titles = [add_title(at=timezone.now(), title=f"Title {number}", copies=2).pk for number in range(20)]
    members = [enrol(at=timezone.now(), first_name=f"M{number}", last_name="Reader").pk for number in range(30)]
    carriers.start("relay", "standby", "consumer")
    # A consumer begins with what comes after it: everything before it shall be there by then.
    until(lambda: Consumer.objects.filter(group="listening", position__isnull=False).exists(), "no consumer")
    begun_at = Event.objects.latest("pk").pk
    left = [OPERATIONS]
    lock = threading.Lock()

    def desk(number):
        chance, loans = random.Random(number), []
        while True:
            with lock:
                if left[0] <= 0:
                    break
                left[0] -= 1
            try:
                if loans and chance.random() < 0.5:
                    return_copy(loan_id=loans.pop(chance.randrange(len(loans))), at=timezone.now())
                else:
                    member, book = chance.choice(members), chance.choice(titles)
                    done = check_out(member_id=member, book_id=book, at=timezone.now())
                    if isinstance(done, Lent):
                        loans.append(done.loan.pk)
            except DomainError:
                pass
            time.sleep(0.03)  # so that it lasts longer than what is done to the carriers
        connection.close()

    def after(part):
        until(lambda: left[0] <= OPERATIONS * part, "the desk stands still", seconds=120)

    desks = [threading.Thread(target=desk, args=[number]) for number in range(3)]
    for thread in desks:
        thread.start()
    try:
        after(0.85)
        carriers.restart("relay")
        after(0.7)
        carriers.restart("consumer")
        after(0.6)
        with redis.Redis.from_url(valkey.url(db=2)) as client:
            client.flushall()
        after(0.5)
        carriers.kill("standby")
        valkey.stop()
        time.sleep(10)
        valkey.start(print)
        carriers.start("standby")
        after(0.3)
        carriers.restart("relay", "standby", "consumer")
        after(0.1)
        with redis.Redis.from_url(valkey.url(db=2)) as client:
            client.flushall()
        for thread in desks:
            thread.join(120)
        wanted = set(Event.objects.filter(pk__gt=begun_at).values_list("pk", flat=True))
        assert len(wanted) > OPERATIONS / 4
        until(lambda: unpublished() == 0, lambda: f"{unpublished()} are not published")
        until(
            lambda: wanted <= {event for event, _ in rows("SELECT event, times FROM heard_events")},
            lambda: json.dumps(
                sorted(wanted - {event for event, _ in rows("SELECT event, times FROM heard_events")})[:9]
            ),
        )
    finally:
        carriers.kill(*list(carriers.running))

    assert rows("SELECT event FROM heard_events WHERE times > 1") == []
    moved = set(Event.objects.filter(pk__gt=begun_at, copy_id__isnull=False).values_list("copy_id", flat=True))
    there = set(Copy.objects.filter(pk__in=moved).values_list("barcode", "status"))
    assert set(rows("SELECT barcode, status FROM heard_copies")) >= there
    assert not FailedMessage.objects.exists()
