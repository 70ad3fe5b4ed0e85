"""A web server killed between COMMIT and answer: with its key the request is answered afterwards, and done once."""

import os
import signal
import threading
from contextlib import closing

import pytest
import requests
from django.db import connection

from circulation.invariants import broken
from circulation.models import Loan
from circulation.simulation.own_database import own_database
from events.models import Event, StoredAnswer
from library.services import add_title, enrol
from tests.factories import NOW
from tests.faults.committing import HeldBack
from tests.simulation.service import web_server


@pytest.fixture
def database(django_db_blocker):
    with django_db_blocker.unblock(), own_database(workers=1) as name:
        yield name


def test_what_was_committed_is_answered_after_all(database):
    member, book = enrol(first_name="Ada", at=NOW), add_title(title="Emma", copies=2, at=NOW)
    sent = {"member_id": member.pk, "book_id": book.pk}
    outcomes = []

    def check_out(url):
        try:
            headers = {"Idempotency-Key": "at the worst moment"}
            outcomes.append(requests.post(f"{url}/api/circulation/checkout/", json=sent, headers=headers, timeout=30))
        except requests.ConnectionError as error:
            outcomes.append(error)

    with closing(HeldBack(connection.get_connection_params())) as line:
        user = connection.settings_dict["USER"] or ""
        behind = f"postgresql://{user}@127.0.0.1:{line.port}/{database}"
        with web_server(database, DATABASE_URL=behind) as (url, server):
            requests.get(f"{url}/api/books/{book.pk}/", timeout=30).raise_for_status()
            line.hold()
            desk = threading.Thread(target=check_out, args=[url])
            desk.start()
            assert line.committed.wait(30)
            os.killpg(server.pid, signal.SIGKILL)
            desk.join(30)
    assert isinstance(outcomes[0], requests.ConnectionError)
    assert Loan.objects.count() == StoredAnswer.objects.count() == 1  # it was done, and nobody was told

    with web_server(database) as (url, _):
        check_out(url)
        check_out(url)

    assert [answer.status_code for answer in outcomes[1:]] == [201, 201]
    assert [answer.headers["Idempotency-Replayed"] for answer in outcomes[1:]] == ["true", "true"]
    loan = Loan.objects.get()
    assert outcomes[1].json()["data"]["loan"]["id"] == loan.pk
    assert outcomes[1].content == outcomes[2].content == bytes(StoredAnswer.objects.get().body)
    assert Event.objects.filter(kind="checkout").count() == 1
    assert broken(at=NOW) == []
