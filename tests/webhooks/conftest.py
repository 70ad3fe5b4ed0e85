"""Endpoints on loopback that webhooks may go to, and messages for them."""

import ipaddress

import pytest
from django.db import transaction

from events.models import Event
from integrations.publishing.messages import described
from integrations.webhooks import services
from library.services import add_title
from tests.factories import NOW
from tests.webhooks.receiving import Receiver

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.fixture
def _loopback(settings):
    settings.WEBHOOK_NETWORKS = [LOOPBACK]


@pytest.fixture
def receiver(_loopback):
    with Receiver() as receiver:
        yield receiver


def happen(count=1):
    """So many messages, of new titles, as the consumer gets them."""
    first = Event.objects.order_by("pk").last()
    for number in range(count):
        add_title(title=f"Title {number}", copies=0, at=NOW)
    return described(Event.objects.filter(pk__gt=first.pk if first else 0).order_by("pk"))


def queue(messages):
    """As the consumer does, in its transaction."""
    with transaction.atomic():
        services.queue(messages)


def ids_of(messages):
    return [f"all-{message['id']}" for message in messages]
