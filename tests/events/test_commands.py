"""The commands about events, as somebody types them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from events import consuming, relay
from events.consuming import Group
from events.models import Event, FailedMessage
from events.stream import EVENTS
from tests.circulation.commands import run
from tests.config.places import environment
from tests.events.conftest import happen
from tests.simulation.service import url_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_stream():
    EVENTS.remove()
    yield
    EVENTS.remove()


def test_what_is_there_is_published_once_and_counted():
    happen(3)
    assert run("relay_events", once=True).out == ["3 events published."]
    assert run("relay_events", once=True).out == ["0 events published."]
    assert relay.unpublished() == 0


def test_tail_shows_the_last_messages_a_line_each_or_whole(capsys):
    *_, third = happen(3)
    run("relay_events", once=True)

    call_command("events", "tail", "-n", "2", "--no-follow")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["2", "2026-03-02T10:00:00", "user.updated", "member", "1"],
        ["3", "2026-03-02T10:00:00", "user.updated", "member", "2"],
    ]
    call_command("events", "tail", "-n", "1", "--no-follow", "--json")
    assert json.loads(capsys.readouterr().out)["id"] == third


def test_tail_follows_until_it_is_stopped():
    happen(1)
    run("relay_events", once=True)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "events", "tail", "-n", "1"],
        env=environment(**_here()),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline().split()[0] == "1"
        happen(1)
        run("relay_events", once=True)
        assert process.stdout.readline().split()[0] == "2"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_replay_publishes_what_was_chosen_once_more(capsys):
    ids = happen(4)
    Event.objects.create(kind=Event.Kind.BOOK_EDITED, book_id=77, occurred_at=timezone.now())
    run("relay_events", once=True)

    call_command("events", "replay", "--from-id", str(ids[2]), "--kind", "member.edited")
    assert capsys.readouterr().out == "2 events will be published once more, after those that wait.\n"
    call_command("events", "replay", "--book", "77")
    call_command("events", "replay", "--since", "2026-06-01")
    run("relay_events", once=True)

    again = [json.loads(entry.message)["id"] for entry in EVENTS.last(4)]
    assert again == [ids[2], ids[3], ids[3] + 1, ids[3] + 1]


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", ""])
def test_a_moment_that_is_none_is_refused(moment):
    with pytest.raises((CommandError, SystemExit)):
        call_command("events", "replay", "--since", moment)


def test_dead_letters_are_listed_handled_once_more_or_dropped(capsys, monkeypatch):
    handled = []

    def handle(messages):
        if messages[0]["id"] == 1:
            raise ValueError("still broken")
        handled.extend(message["id"] for message in messages)

    monkeypatch.setattr(consuming, "groups", [Group("mine", EVENTS, handle)])
    for number in (1, 2, 3):
        FailedMessage.objects.create(
            group="mine",
            position=number,
            message={"id": number, "type": "book.borrowed"},
            error="ValueError: broken",
            attempts=5,
            failed_at=timezone.now(),
        )
    one, two, _ = FailedMessage.objects.order_by("pk").values_list("pk", flat=True)

    call_command("events", "dead-letters")
    assert capsys.readouterr().out.splitlines()[0] == (
        f"{one}  mine  position 1  book.borrowed  5 attempts, given up: ValueError: broken"
    )
    call_command("events", "dead-letters", "--retry", str(two))
    assert capsys.readouterr().out == "1 handled, 0 failed again.\n"
    call_command("events", "dead-letters", "--retry")
    assert capsys.readouterr().out == "1 handled, 1 failed again.\n"
    assert handled == [2, 3]
    call_command("events", "dead-letters", "--drop", str(one))
    assert capsys.readouterr().out == "1 dropped.\n"
    call_command("events", "dead-letters")
    assert capsys.readouterr().out == "There are none.\n"


def test_without_redis_it_is_said_in_one_line(settings):
    settings.EVENTS_REDIS_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(CommandError, match=r"^Redis does not answer: .*Connection refused"):
        call_command("events", "tail", "--no-follow")


def test_a_group_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(CommandError, match=r"^There is no group mice\. There are: notices, webhooks\.$"):
        call_command("consume_events", "mice")


@pytest.mark.parametrize("command", ["relay_events", "consume_events", "deliver_webhooks"])
def test_what_runs_until_it_is_stopped_ends_at_once_and_in_order(command, tmp_path):
    at_work = tmp_path / "at-work"
    process = subprocess.Popen(
        [sys.executable, "manage.py", command], env=environment(**_here(), ALIVE_FILE=str(at_work))
    )
    give_up = time.monotonic() + 60
    while not at_work.exists() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.05)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def _here():
    return {
        "DATABASE_URL": url_of(connection.settings_dict["NAME"]),
        "REDIS_URL": os.environ["REDIS_URL"],
        "EVENTS_REDIS_URL": os.environ["EVENTS_REDIS_URL"],
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "DEBUG": "false",
    }
