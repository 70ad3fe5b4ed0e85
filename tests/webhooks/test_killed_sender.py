"""`manage.py deliver_webhooks` as a process: told to stop, and killed in the middle of deliveries."""

import ipaddress
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.webhooks.models import Delivery, Subscription
from tests.factories import WebhookFactory
from tests.simulation.runs import ROOT
from tests.simulation.service import url_of
from tests.webhooks.conftest import happen, ids_of, queue
from tests.webhooks.receiving import Receiver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def sender():
    environment = {
        "DATABASE_URL": url_of(connection.settings_dict["NAME"]),
        "WEBHOOK_NETWORKS": str(ipaddress.ip_network("127.0.0.0/8")),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    return subprocess.Popen([sys.executable, "manage.py", "deliver_webhooks"], cwd=ROOT, env=os.environ | environment)


def end(process):
    process.terminate()
    return process.wait(20)


def test_what_a_killed_sender_was_sending_is_sent_again_under_the_same_id():
    with Receiver(delay=0.02) as one, Receiver(delay=0.02) as two:
        for receiver in (one, two):
            WebhookFactory(url=receiver.url)
        messages = happen(60)
        queue(messages)
        kills = 0
        while Delivery.objects.filter(state="waiting").exists():
            process = sender()
            try:
                goal = len(one.received) + 20
                one.wait_for(lambda goal=goal: len(one.received) >= goal or not _waiting(), 30)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(20)
            kills += 1
            # As after the seconds that it held them.
            Subscription.objects.update(held_until=timezone.now() - timedelta(seconds=1))
            assert kills < 20

        for receiver in (one, two):
            times = Counter(receiver.ids)
            assert set(times) == set(ids_of(messages))
            assert sum(times.values()) <= 60 + kills  # only what was under way
            assert receiver.most_at_once <= 2  # what the killed one had begun, the endpoint was still answering
    assert kills >= 2


def _waiting():
    return Delivery.objects.filter(state="waiting").exists()


def test_told_to_stop_it_finishes_what_it_is_sending_and_lets_go():
    with Receiver(delay=0.3) as receiver:
        WebhookFactory(url=receiver.url)
        queue(happen(20))
        process = sender()
        receiver.wait_for(lambda: receiver.connections >= 2, 30)
        so_far = len(receiver.received)

        assert end(process) == 0

        done = Delivery.objects.filter(state="delivered").count()
        assert done == len(receiver.received) <= so_far + 1
        assert Subscription.objects.get().held_until <= timezone.now()
