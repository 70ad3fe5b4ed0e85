"""Webhooks in the admin: seen without secrets, resumed, sent again."""

import pytest
from django.test import Client

from integrations.webhooks.models import Delivery, Subscription
from integrations.webhooks.signing import secret_of
from tests.admin.browser import change_page, page, told
from tests.factories import UserFactory, WebhookFactory

pytestmark = pytest.mark.django_db


def test_no_page_shows_a_secret_or_what_it_is_made_of(desk):
    webhook = WebhookFactory(active=False, paused_reason="The endpoint answered 410 Gone.")

    for url in (page(Subscription), change_page(webhook)):
        text = desk.open(url).text
        assert webhook.salt not in text
        assert secret_of(webhook.salt)[6:] not in text
        assert "The endpoint answered 410 Gone." in text


def test_paused_webhooks_are_resumed(desk):
    webhook = WebhookFactory(active=False, paused_reason="The endpoint answered 410 Gone.")

    response = desk.act("resume", webhook)

    webhook.refresh_from_db()
    assert (webhook.active, webhook.paused_reason) == (True, "")
    assert told(response) == ["Resumed. What waited is sent first; what failed can be sent again."]


def test_deliveries_are_sent_again(desk):
    webhook = WebhookFactory()
    failed = Delivery.objects.create(
        subscription=webhook, event_id=7, type="book.updated", body="{}", state="failed", due_at=None, attempts=8
    )
    test = Delivery.objects.create(subscription=webhook, type="test", body="", state="delivered", due_at=None)

    response = desk.act("send_again", failed, test)

    failed.refresh_from_db()
    test.refresh_from_db()
    assert (failed.state, failed.attempts, test.state) == ("waiting", 0, "delivered")
    assert told(response) == ["1 will be sent again. What waits already, and tests, are left as they are."]


@pytest.mark.parametrize("model", [Subscription, Delivery])
def test_the_pages_are_for_admins(model):
    client = Client()
    client.force_login(UserFactory(staff=True))

    assert client.get(page(model)).status_code == 403
