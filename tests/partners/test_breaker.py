"""Partners that fail are left alone for a while, by every process, and one request tries them again."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django_redis import get_redis_connection
from pybreaker import CircuitBreakerError

from events import redis
from integrations.partners import breaker
from integrations.partners.breaker import breaker_of, breaker_states, forget, states_of
from integrations.partners.calling import Failure
from integrations.partners.models import Partner

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
PARTNER = Partner(pk=7, name="library 2")
OTHER = Partner(pk=8, name="library 3")


def fail(partner=PARTNER, reason="It answered 500."):
    def failing():
        raise Failure(reason)

    with pytest.raises(Failure):
        breaker_of(partner).call(failing)


def succeed(partner=PARTNER):
    return breaker_of(partner).call(lambda: "well")


def is_asked(partner=PARTNER):
    try:
        return succeed(partner) == "well"
    except CircuitBreakerError:
        return False


def state(partner=PARTNER):
    [found] = states_of([partner])
    return found


def test_after_three_failures_in_a_row_it_is_left_alone():
    fail()
    fail()
    assert (state().state, state().failures) == ("closed", 2)
    assert is_asked()

    fail()
    fail()
    assert state().state == "closed"  # what succeeded in between counts
    fail()

    assert (state().state, state().failures) == ("open", 3)
    assert not is_asked()
    assert is_asked(OTHER)


def test_half_a_minute_later_one_request_tries_it():
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(3):
            fail()
        assert state().opened_at == NOW
        clock.shift(timedelta(seconds=29))
        assert (state().state, is_asked()) == ("open", False)

        clock.shift(timedelta(seconds=2))
        assert state().state == "half-open"
        assert is_asked()
        assert (state().state, state().failures, state().opened_at) == ("closed", 0, None)


def test_if_that_fails_too_it_is_left_alone_as_long_again():
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(3):
            fail()
        clock.shift(timedelta(seconds=31))
        fail()

        assert (state().state, state().opened_at) == ("open", NOW + timedelta(seconds=31))
        clock.shift(timedelta(seconds=29))
        assert not is_asked()
        clock.shift(timedelta(seconds=2))
        assert is_asked()


def test_only_one_tries_it_at_a_time():
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(3):
            fail()
        clock.shift(timedelta(seconds=31))
        others = []

        def trying():
            others.extend(is_asked() for _ in range(3))
            return "well"

        assert breaker_of(PARTNER).call(trying) == "well"

        assert others == [False, False, False]
        assert is_asked()


def test_of_many_calls_at_once_none_waits_for_another():
    """Each is only answered once all of them are under way."""
    together = threading.Barrier(4, timeout=20)
    threads = [threading.Thread(target=breaker_of(PARTNER).call, args=[together.wait]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not together.broken
    assert state().failures == 0


def test_another_process_leaves_it_alone_too():
    program = (
        "import django; django.setup()\n"
        "from integrations.partners.breaker import breaker_of\n"
        "from integrations.partners.calling import Failure\n"
        "from integrations.partners.models import Partner\n"
        "def failing(): raise Failure('It answered 500.')\n"
        "for _ in range(2):\n"
        "    try: breaker_of(Partner(pk=7)).call(failing)\n"
        "    except Failure: pass\n"
    )
    fail()
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)

    assert (state().state, is_asked()) == ("open", False)


def test_the_last_failure_is_known_after_it_answers_again():
    with time_machine.travel(NOW, tick=False):
        fail(reason="It did not answer in time.")
        succeed()

    assert (state().last_failure, state().last_failed_at) == ("It did not answer in time.", NOW)
    assert (state(OTHER).last_failure, state(OTHER).last_failed_at) == ("", None)


def test_it_is_asked_at_once_when_somebody_put_it_right():
    for _ in range(3):
        fail()

    forget(PARTNER.pk)

    assert state().state == "closed"
    assert is_asked()


@pytest.mark.django_db
def test_the_state_of_every_partner_is_known_on_or_off():
    first = Partner.objects.create(name="library 2", position=1, base_url="https://a.example")
    second = Partner.objects.create(name="library 3", position=2, base_url="https://b.example", is_on=False)
    for _ in range(3):
        fail(second)

    states = breaker_states()

    assert [(each.partner, each.state, each.failures) for each in states] == [(first, "closed", 0), (second, "open", 3)]


@pytest.mark.django_db
def test_without_partners_nobody_is_asked():
    assert breaker_states() == []


# --- What it costs, and what it needs ------------------------------------------------------------------------


def trips(call):
    """What Redis is asked, in order. Other tests ask the same server, each process in a database of its own."""
    client = get_redis_connection("default")
    number = client.connection_pool.connection_kwargs["db"]
    commands = []
    with client.monitor() as heard:
        client.ping()  # on a connection that is then there
        call()
        client.echo("the end")
        while not (told := heard.next_command())["command"].startswith("ECHO"):
            if told["db"] == number:
                commands.append(told["command"].partition(" ")[0])
    return commands[commands.index("PING") + 1 :]


def test_while_all_is_well_it_costs_one_question():
    assert trips(succeed) == ["MGET"]


def test_what_is_left_alone_costs_one_question():
    for _ in range(3):
        fail()

    assert trips(is_asked) == ["MGET"]


def test_all_that_is_kept_goes_by_itself():
    for _ in range(3):
        fail()

    client = get_redis_connection("default")
    names = client.keys(f"*{cache.make_key('partner:7')}*")
    assert len(names) == 3
    assert all(0 < client.ttl(name) <= breaker.REMEMBERED for name in names)


def test_without_redis_everybody_is_asked_and_one_line_says_so(settings, caplog):
    for _ in range(3):
        fail()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}

    for _ in range(5):
        fail()
        assert is_asked()

    assert state().state == "unknown"
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == ["Redis does not answer"]
    assert redis._away
