"""What the settings make of the environment, and which values they refuse, in one clear line."""

import runpy

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from environs import EnvValidationError

from config import embedded

SETTINGS = str(embedded.BASE_DIR / "config" / "settings.py")
LONG = "x" * 32


def read(monkeypatch, **variables):
    for name, value in {"SECRET_KEY": LONG, "DEBUG": "false", "OPEN_DESK": "false", **variables}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(SETTINGS)


def test_nothing_is_open_by_default(monkeypatch):
    found = read(monkeypatch)

    assert (found["OPEN_DESK"], found["DEBUG"], found["THROTTLE"]) == (False, False, True)
    assert found["CORS_ALLOWED_ORIGINS"] == []
    assert found["TRUSTED_PROXIES"] == 0


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("true", {"register", "borrow", "return", "renew", "reserve"}),
        ("False", set()),
        ("renew, reserve", {"renew", "reserve"}),
    ],
)
def test_self_service_is_all_nothing_or_parts(monkeypatch, value, parts):
    assert read(monkeypatch, SELF_SERVICE=value)["SELF_SERVICE"] == parts


def test_webhooks_go_to_the_networks_that_are_named(monkeypatch):
    named = read(monkeypatch, WEBHOOK_NETWORKS="10.0.0.0/8, fd00::/8")["WEBHOOK_NETWORKS"]

    assert [str(network) for network in named] == ["10.0.0.0/8", "fd00::/8"]
    assert read(monkeypatch, WEBHOOK_NETWORKS="")["WEBHOOK_NETWORKS"] == []


def test_a_rate_is_changed_by_its_name(monkeypatch):
    rates = read(monkeypatch, THROTTLE_RATES="anonymous:read=60, key:write=9000")["THROTTLE_RATES"]

    assert (rates["anonymous"]["read"], rates["key"]["write"], rates["anonymous"]["write"]) == (60, 9000, 30)


@pytest.mark.parametrize(
    ("live", "sources"),
    [("", "'self'"), (":8001", "'self' *:8001"), ("https://live.example.org/", "'self' https://live.example.org")],
)
def test_pages_may_listen_where_the_web_server_sends_them(monkeypatch, live, sources):
    policy = read(monkeypatch, LIVE_URL=live)["CONTENT_SECURITY_POLICY"]

    assert policy.endswith(f"; connect-src {sources}")


@pytest.mark.parametrize(
    ("variables", "broker"),
    [
        ({"EVENTS_REDIS_URL": "unix:///run/valkey.sock?db=2"}, "redis+socket:///run/valkey.sock?virtual_host=2"),
        ({"EVENTS_REDIS_URL": "", "REDIS_URL": "redis://cache:6379/1"}, "redis://cache:6379/2"),
        ({"BROKER_URL": "rediss://broker:6380/0"}, "rediss://broker:6380/0"),
    ],
)
def test_workers_are_woken_where_the_streams_are_unless_it_is_said(monkeypatch, variables, broker):
    assert read(monkeypatch, **variables)["CELERY_BROKER_URL"] == broker


@pytest.mark.parametrize(
    ("service", "prefix"), [("all", "desk:"), ("public", "desk-public:"), ("admin", "desk-admin:")]
)
def test_each_of_two_services_wakes_workers_of_its_own(monkeypatch, service, prefix):
    found = read(monkeypatch, SERVICE=service, CACHE_KEY_PREFIX="desk")

    assert found["CELERY_BROKER_TRANSPORT_OPTIONS"]["global_keyprefix"] == prefix


def test_a_mail_server_is_named_by_its_url(monkeypatch):
    found = read(monkeypatch, EMAIL_URL="submission://desk%40example.org:p%2Fw@mail.example.org")

    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("mail.example.org", 587, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("desk@example.org", "p/w")
    assert (found["EMAIL_TIMEOUT"], found["MAIL_IS_SET_UP"]) == (10, True)
    plain = read(monkeypatch, EMAIL_URL="smtp://localhost:2525", DEBUG="true")
    assert (plain["EMAIL_PORT"], plain["EMAIL_USE_TLS"], plain["EMAIL_HOST_USER"]) == (2525, False, "")
    assert plain["EMAIL_BACKEND"] == found["EMAIL_BACKEND"]


def test_without_a_mail_server_mails_are_files_in_development_and_otherwise_nothing(monkeypatch):
    developing, running = read(monkeypatch, DEBUG="true"), read(monkeypatch)

    assert developing["EMAIL_BACKEND"] == "integrations.notifications.files.MailFiles"
    assert developing["MAIL_DIR"] == embedded.local_dir() / "mail"
    assert (developing["MAIL_IS_SET_UP"], running["MAIL_IS_SET_UP"]) == (True, False)
    assert running["EMAIL_BACKEND"] == "django.core.mail.backends.dummy.EmailBackend"


def test_the_password_of_the_mail_server_is_not_shown(monkeypatch):
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(monkeypatch, EMAIL_URL="smtps://desk:secret@mail.example.org")

    assert "secret" not in str(refusal.value)


def test_behind_https_cookies_are_for_https_only(monkeypatch):
    found = read(monkeypatch, HTTPS="true")

    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert "SESSION_COOKIE_SECURE" not in read(monkeypatch, HTTPS="false")


@pytest.mark.django_db
def test_who_comes_by_https_signs_in_to_the_admin(monkeypatch, settings, django_user_model):
    django_user_model.objects.create_superuser("admin", password="secret")
    found = read(monkeypatch, HTTPS="true")
    for name in ("SECURE_PROXY_SSL_HEADER", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        setattr(settings, name, found[name])
    browser = Client(
        enforce_csrf_checks=True,
        headers={"host": "testserver", "origin": "https://testserver", "x-forwarded-proto": "https"},
    )
    assert browser.get("/admin/login/").wsgi_request.is_secure()
    sent = {"username": "admin", "password": "secret", "csrfmiddlewaretoken": browser.cookies["csrftoken"].value}

    assert browser.post("/admin/login/", sent).status_code == 302


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short to keep a secret."),
        ({"OPEN_DESK": "true"}, "OPEN_DESK lets everybody who can reach this server act as a librarian."),
        ({"SELF_SERVICE": "borrow,steal"}, "SELF_SERVICE is true, false, or some of register, borrow"),
        ({"THROTTLE_RATES": "anonymous:read=0"}, "THROTTLE_RATES is a list such as"),
        ({"THROTTLE_RATES": "nobody:read=5"}, "THROTTLE_RATES is a list such as"),
        ({"THROTTLE_RATES": "anonymous"}, "THROTTLE_RATES is a list such as"),
        ({"FULFIL_ON_RETURN": "keep"}, "FULFIL_ON_RETURN is hold or loan"),
        (
            {"WEBHOOK_NETWORKS": "10.0.0.0/8,intranet"},
            "WEBHOOK_NETWORKS is a list such as 10.0.0.0/8,fd00::/8; 'intranet' does not appear to be an IPv4 or IPv6",
        ),
        ({"WEBHOOK_NETWORKS": "10.0.0.1/8"}, "10.0.0.1/8 has host bits set"),
        ({"EMAIL_URL": "mail.example.org"}, "EMAIL_URL is like submission://name:password@mail.example.org:587"),
        ({"EMAIL_URL": "smtp://"}, "EMAIL_URL is like"),
        ({"EMAIL_URL": "imap://mail.example.org"}, "EMAIL_URL is like"),
        ({"EMAIL_URL": "smtp://mail.example.org:mail"}, "EMAIL_URL is like"),
        (
            {"DEFAULT_FROM_EMAIL": "library"},
            "DEFAULT_FROM_EMAIL is an address, such as library@example.org; not 'libra",
        ),
        ({"DEFAULT_FROM_EMAIL": "a@b\nBcc: c@d"}, "DEFAULT_FROM_EMAIL is an address"),
        ({"LIBRARY_NAME": " "}, "LIBRARY_NAME is one line of at most 100 characters."),
        ({"LIBRARY_NAME": "x\ny"}, "LIBRARY_NAME is one line"),
        ({"LIBRARY_NAME": "x" * 101}, "LIBRARY_NAME is one line"),
    ],
)
def test_what_does_not_fit_is_refused(monkeypatch, variables, told):
    with pytest.raises(ImproperlyConfigured, match=told):
        read(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ACCESS_TOKEN_MINUTES", ["0", "-1", "1441", "x"]),
        ("REFRESH_TOKEN_DAYS", ["0", "9999999", "x"]),
        ("TRUSTED_PROXIES", ["-1", "11", "x"]),
        ("DATABASE_POOL_SIZE", ["0", "x"]),
        ("LIVE_LISTENERS", ["0", "60001", "x"]),
        ("HISTORY_DAYS", ["-1", "36501", "x"]),
        ("DUE_SOON_DAYS", ["0", "31", "x"]),
        ("NOTICE_HOUR", ["-1", "24", "x"]),
        ("HTTPS", ["perhaps"]),
    ],
)
def test_a_number_has_its_range(monkeypatch, name, values):
    for value in values:
        with pytest.raises(EnvValidationError, match=name):
            read(monkeypatch, **{name: value})
