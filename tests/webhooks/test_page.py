"""What the documentation promises to those who receive webhooks."""

import re
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from integrations.webhooks import services
from tests.factories import UserFactory
from tests.webhooks.conftest import happen, queue
from tests.webhooks.test_delivery import serve

PAGE = Path("docs/events.md").read_text(encoding="utf-8")
WEBHOOKS = PAGE.partition("## Webhooks")[2].partition("\n## ")[0]


@pytest.mark.django_db(transaction=True)
def test_the_receiver_of_the_page_reads_what_is_sent(receiver, capsys):
    _, secret = services.subscribe(owner=UserFactory(admin=True), url=receiver.url)
    queue(happen())
    serve()
    [sent] = receiver.received
    [code] = re.findall(r"```python\n(.*?)```", WEBHOOKS, re.DOTALL)
    defined = {}
    exec(code.replace("whsec_...", secret), defined)

    defined["receive"](sent.body, sent.headers)

    assert capsys.readouterr().out == f"book.created {sent.id}\n"
    with pytest.raises(WebhookVerificationError):
        defined["receive"](sent.body + b" ", sent.headers)


def test_the_times_between_attempts_are_those_of_the_page():
    seconds = [wait.total_seconds() for wait in services.RETRIES]

    assert "after 10 seconds, 1, 5 and 30 minutes, 2, 6 and 15 hours" in WEBHOOKS
    assert [*seconds[:1], *(wait / 60 for wait in seconds[1:4]), *(wait // 3600 for wait in seconds[4:])] == [
        10, 1, 5, 30, 2, 6, 15,
    ]  # fmt: skip
