"""Asked over HTTP of the server that runs it, with bytes that test clients would not send."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from tests.daia.asking import HEADERS, JSON
from tests.daia.schema import breaches, faults
from tests.simulation.service import service

EMMA, PERSUASION = "9780141439587", "9780141439686"


@pytest.fixture
def host(django_db_blocker):
    """Where a service with the demo library listens."""
    with django_db_blocker.unblock(), service(OPEN_DESK="false", OPEN_DESK_I_UNDERSTAND="false") as url:
        call_command("load_demo", verbosity=0)
        yield urlsplit(url).netloc


def get(host, target, method="GET"):
    """Status, headers and JSON for this very request target."""
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        return response.status, dict(response.getheaders()), json.loads(body) if body else None
    finally:
        connection.close()


@pytest.mark.slow
def test_the_server_passes_on_what_catalogues_send(host):
    for bars in ("|", "%7C", "%7c|"):
        status, headers, answer = get(host, f"/daia?format=json&id=isbn:{EMMA}{bars}{PERSUASION}")

        assert status == 200
        assert faults("response", answer) + breaches(answer) == []
        assert [document["requested"] for document in answer["document"]] == [f"isbn:{EMMA}", PERSUASION]
        assert all(document["id"].startswith(f"http://{host}/api/books/") for document in answer["document"])
        sent = {name.lower(): value for name, value in headers.items()}
        assert sent["content-type"] == JSON
        assert {name: sent[name.lower()] for name in HEADERS} == HEADERS

    status, _, answer = get(host, f"/daia/?format=json&id={'x' * 10_000}|%00|{EMMA}")
    assert (status, [document["requested"] for document in answer["document"]]) == (200, [EMMA])
    status, _, answer = get(host, "/daia")
    assert (status, faults("error", answer)) == (422, [])
    status, headers, answer = get(host, f"/daia?format=json&id={EMMA}", "HEAD")
    assert (status, answer) == (200, None)
