"""What browsers are told: which sites may call, what may be loaded, what may be kept."""

import pytest

from library.models import Member
from tests.api.asking import data_of, error_of
from tests.factories import BookFactory

pytestmark = pytest.mark.django_db

SITE = "https://catalogue.example.org"


@pytest.fixture
def _allowed(settings):
    settings.CORS_ALLOWED_ORIGINS = [SITE]


@pytest.mark.usefixtures("_allowed")
def test_a_site_that_is_allowed_may_call(anyone):
    response = anyone.get("/api/books/", HTTP_ORIGIN=SITE)

    data_of(response)
    assert response["Access-Control-Allow-Origin"] == SITE
    assert "Access-Control-Allow-Credentials" not in response
    exposed = set(response["Access-Control-Expose-Headers"].split(", "))
    assert {"ETag", "Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After", "Location"} <= exposed


@pytest.mark.usefixtures("_allowed")
def test_a_browser_may_ask_before_it_sends(anyone):
    response = anyone.options(
        "/api/circulation/checkout/",
        HTTP_ORIGIN=SITE,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST",
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS="authorization,idempotency-key",
    )

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == SITE
    assert "POST" in response["Access-Control-Allow-Methods"]
    allowed = response["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "idempotency-key", "if-match", "x-api-key", "content-type"} <= set(allowed)
    assert response["Access-Control-Max-Age"] == "3600"


@pytest.mark.usefixtures("_allowed")
def test_errors_may_be_read_by_that_site_too(anyone):
    for path in ("/api/members/", "/api/nothing/"):
        assert anyone.get(path, HTTP_ORIGIN=SITE)["Access-Control-Allow-Origin"] == SITE


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://catalogue.example.org", f"{SITE}.evil.example"]
)
@pytest.mark.usefixtures("_allowed")
def test_other_sites_may_not(anyone, origin):
    for response in (
        anyone.get("/api/books/", HTTP_ORIGIN=origin),
        anyone.options("/api/books/", HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST"),
    ):
        assert not [name for name in response.headers if name.startswith("Access-Control-Allow-Origin")]


def test_unless_it_is_set_no_site_may(anyone):
    assert "Access-Control-Allow-Origin" not in anyone.get("/api/books/", HTTP_ORIGIN=SITE)


@pytest.mark.usefixtures("_allowed")
def test_the_admin_is_for_no_other_site(client):
    assert "Access-Control-Allow-Origin" not in client.get("/admin/login/", HTTP_ORIGIN=SITE)


@pytest.mark.parametrize("path", ["/api/", "/api/members/", "/api/nothing/", "/admin/login/", "/health", "/api/docs/"])
def test_every_answer_carries_what_keeps_browsers_safe(anyone, path):
    response = anyone.get(path)

    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    assert "Strict-Transport-Security" not in response
    # Swagger UI opens windows for ways of signing in that there are none of here.
    assert response["Cross-Origin-Opener-Policy"] == ("unsafe-none" if path == "/api/docs/" else "same-origin")
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "object-src 'none'" in policy
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    inline = {name for name, allowed in rules.items() if "unsafe-inline" in allowed}
    assert inline == {"/api/docs/": {"script-src", "style-src"}, "/admin/login/": {"style-src"}}.get(path, set())
    assert ("unsafe-eval" in policy) == (path == "/admin/login/")


def test_what_is_not_for_everybody_is_kept_nowhere(anyone, api, world):
    for path in ("members/", "loans/", "keys/", "statistics/", "circulation/events/", f"members/{world['member']}/"):
        assert api.get(f"/api/{path}")["Cache-Control"] == "no-store"
        assert anyone.get(f"/api/{path}")["Cache-Control"] == "no-store"
    book = BookFactory()
    for path in ("", "books/", f"books/{book.pk}/", f"books/{book.pk}/availability/"):
        assert "Cache-Control" not in anyone.get(f"/api/{path}")
    assert api.post("/api/books/", {"title": "x"})["Cache-Control"] == "no-store"


def test_a_page_of_another_form_is_still_an_error(anyone):
    error_of(anyone.get("/api/loans/", HTTP_ORIGIN="\0"), 401, "NOT_AUTHENTICATED")


@pytest.fixture
def _https(settings):
    """As HTTPS=true sets them: tests/config/test_settings.py."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000


@pytest.mark.usefixtures("_https")
def test_who_comes_by_https_is_answered_and_told_to_stay_with_it(client):
    response = client.get("/api/books/", HTTP_X_FORWARDED_PROTO="https")

    assert response.status_code == 200
    assert response["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("path", ["/api/books/?search=x", "/admin/login/", "/healthy", "/status/1"])
@pytest.mark.parametrize("forwarded", [{}, {"HTTP_X_FORWARDED_PROTO": "http"}])
@pytest.mark.usefixtures("_https")
def test_who_comes_by_http_is_sent_to_https(client, path, forwarded):
    response = client.get(path, **forwarded)

    assert (response.status_code, response["Location"]) == (301, f"https://testserver{path}")
    assert "Strict-Transport-Security" not in response


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
@pytest.mark.usefixtures("_https")
def test_who_asks_from_inside_whether_it_lives_is_answered_by_http(client, path):
    assert client.get(path).status_code in (200, 503)


@pytest.mark.usefixtures("_https")
def test_a_change_asked_for_by_http_is_not_made(client):
    response = client.post("/api/users/", {"name": "Ada"}, content_type="application/json")

    assert response.status_code == 301
    assert not Member.objects.exists()
