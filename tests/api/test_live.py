"""The address where one listens, asked of a web server."""

import pytest

from tests.api.asking import error_of
from tests.factories import BookFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("live", "where"),
    [
        ("https://live.example.org", "https://live.example.org"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        (":8001", "http://testserver:8001"),
    ],
)
def test_who_would_listen_is_sent_to_the_process_for_that(anyone, settings, live, where):
    settings.LIVE_URL = live
    path = f"/api/books/{BookFactory().pk}/availability/stream"

    for url in (path, f"{path}/", f"{path}?a=b"):
        response = anyone.get(url, HTTP_ACCEPT="text/event-stream")
        assert response.status_code == 307
        assert response["Location"] == f"{where}{path}/{'?a=b' if '?' in url else ''}"


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost", "localhost"), ("127.0.0.1:8000", "127.0.0.1"), ("[::1]:8000", "[::1]"), ("[::1]", "[::1]")],
)
def test_a_port_is_one_of_the_host_that_was_asked(anyone, settings, host, name):
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    path = f"/api/books/{BookFactory().pk}/availability/stream/"

    assert anyone.get(path, HTTP_HOST=host)["Location"] == f"http://{name}:8001{path}"


def test_where_nobody_can_listen_that_is_said(anyone, settings):
    settings.LIVE_URL = ""

    response = anyone.get(f"/api/books/{BookFactory().pk}/availability/stream/", HTTP_ACCEPT="text/event-stream")

    error_of(response, 404, "NOT_FOUND")
    assert "a process of its own" in response.json()["error"]["message"]


def test_a_title_that_does_not_exist_is_not_found_here_either(anyone):
    error_of(anyone.get("/api/books/47110815/availability/stream/"), 404, "BOOK_NOT_FOUND")
