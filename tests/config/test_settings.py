"""What the settings make of the environment, and which values they refuse, in one clear line."""

import os
import re
import runpy
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

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
    [
        ("", "'self'"),
        (":8001", "'self' *:8001"),
        ("https://live.example.org/", "'self' https://live.example.org"),
        ("https://x.example:444/live", "'self' https://x.example:444"),
    ],
)
def test_pages_may_listen_where_the_web_server_sends_them(monkeypatch, live, sources):
    policy = read(monkeypatch, LIVE_URL=live)["CONTENT_SECURITY_POLICY"]

    assert policy.endswith(f"; connect-src {sources}")


@pytest.mark.parametrize(
    ("variables", "broker"),
    [
        ({"EVENTS_REDIS_URL": "unix:///run/valkey.sock?db=2"}, "redis+socket:///run/valkey.sock?virtual_host=2"),
        ({"EVENTS_REDIS_URL": "", "REDIS_URL": "redis://cache:6379/1"}, "redis://cache:6379/2"),
        ({"BROKER_URL": "rediss://:word@broker:6380/0"}, "rediss://:word@broker:6380/0?ssl_cert_reqs=required"),
        (
            {"BROKER_URL": "rediss://broker/0?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem&socket_timeout=9"},
            "rediss://broker/0?ssl_cert_reqs=none&ssl_ca_certs=/ca.pem",
        ),
        (
            {"EVENTS_REDIS_URL": "", "REDIS_URL": "unix://:word@/run/valkey.sock?db=3"},
            "redis+socket://:word@/run/valkey.sock?virtual_host=4",
        ),
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


def test_all_that_does_not_fit_is_told_at_once_and_passwords_are_not(monkeypatch):
    wrong = {
        "SECRET_KEY": "hidden",
        "DATABASE_URL": "mysql://desk:hidden@db/desk",
        "DATABASE_POOL_SIZE": "abc",
        "REDIS_URL": "redis://:hidden@cache/one",
        "EMAIL_URL": "imap://desk:hidden@mail",
        "TIME_ZONE": "Mars/Base",
    }
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(monkeypatch, **wrong)

    lines = str(refusal.value).splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(wrong)
    assert "hidden" not in str(refusal.value)


def test_an_empty_value_is_as_good_as_none(monkeypatch):
    names = ("TIME_ZONE", "DATABASE_POOL_SIZE", "HTTPS", "ALLOWED_HOSTS", "LOG_LEVEL", "SERVICE", "LIBRARY_NAME")
    found = read(monkeypatch, **dict.fromkeys(names, ""))

    assert (found["TIME_ZONE"], found["HTTPS"], found["SERVICE"]) == ("UTC", False, "all")
    assert found["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert found["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 16


def test_a_secret_may_be_in_a_file(monkeypatch, tmp_path):
    address = "postgresql://desk:from%20a%20file@db.example.org/desk"
    for name, text in {"SECRET_KEY": f"{LONG} \n", "DATABASE_URL": f"{address}\r\n"}.items():
        (tmp_path / name).write_text(text)
    given = {"SECRET_KEY_FILE": str(tmp_path / "SECRET_KEY"), "DATABASE_URL_FILE": str(tmp_path / "DATABASE_URL")}
    found = read(monkeypatch, SECRET_KEY="", DATABASE_URL="", **given)

    assert found["SECRET_KEY"] == f"{LONG} "
    database = found["DATABASES"]["default"]
    assert (database["HOST"], database["PASSWORD"]) == ("db.example.org", "from a file")


def test_a_file_that_is_no_good_is_told_in_a_line(monkeypatch, tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    given = {
        "SECRET_KEY": LONG,
        "SECRET_KEY_FILE": str(tmp_path / "key"),
        "REDIS_URL": "",
        "REDIS_URL_FILE": str(tmp_path / "none"),
        "BROKER_URL_FILE": str(tmp_path / "empty"),
        "EMAIL_URL": "",
        "EMAIL_URL_FILE": str(tmp_path / "binary"),
        "EVENTS_REDIS_URL": "",
        "EVENTS_REDIS_URL_FILE": str(tmp_path),
    }
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(monkeypatch, **given)

    told = str(refusal.value).splitlines()
    assert "SECRET_KEY and SECRET_KEY_FILE are both set. Give one of them." in told
    assert f"BROKER_URL_FILE names a file with nothing in it: '{tmp_path / 'empty'}'." in told
    for name, file in {"REDIS_URL": "none", "EMAIL_URL": "binary", "EVENTS_REDIS_URL": ""}.items():
        assert f"{name}_FILE does not name a file that can be read: '{tmp_path / file}'." in told


def test_what_follows_from_a_file_that_is_no_good_is_not_told_too(monkeypatch, tmp_path):
    with pytest.raises(ImproperlyConfigured) as refusal:
        read(monkeypatch, SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "none"), DEBUG="perhaps", OPEN_DESK="true")

    assert [line.split()[0] for line in str(refusal.value).splitlines()] == ["DEBUG", "SECRET_KEY_FILE"]


def test_who_gives_the_address_of_the_database_in_a_file_gets_no_private_server(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("postgresql://db/desk")
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))

    assert embedded.is_given("DATABASE_URL")
    assert not embedded.is_given("SENTRY_DSN")
    monkeypatch.setattr(embedded, "_make_home", lambda: pytest.fail("servers would be started"))
    embedded.ensure_running()


def test_behind_https_cookies_are_for_https_only(monkeypatch):
    found = read(monkeypatch, HTTPS="true")

    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert (found["SECURE_SSL_REDIRECT"], found["SECURE_HSTS_SECONDS"]) == (True, 365 * 86_400)
    plain = read(monkeypatch, HTTPS="false")
    assert not {"SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT"} & set(plain)
    assert plain["SECURE_HSTS_SECONDS"] == 0


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
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set."),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short to keep a secret."),
        ({"SECRET_KEY_FALLBACKS": f"{LONG},short"}, "SECRET_KEY_FALLBACKS are earlier values of SECRET_KEY"),
        ({"ALLOWED_HOSTS": "desk.example.org, https://x"}, "ALLOWED_HOSTS is a list such as desk.example.org,"),
        ({"ALLOWED_HOSTS": "desk.example.org:8000"}, "ALLOWED_HOSTS is a list"),
        ({"SERVICE": "both"}, "SERVICE is all, public or admin, not 'both'."),
        ({"TIME_ZONE": "Mars/Base"}, "TIME_ZONE is a time zone such as Europe/London or UTC, not 'Mars/Base'."),
        ({"TIME_ZONE": "Europe"}, "TIME_ZONE is a time zone"),
        ({"TIME_ZONE": "/etc/passwd"}, "TIME_ZONE is a time zone"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'LOUD'."),
        ({"DATABASE_URL": "mysql://desk@db/desk"}, "DATABASE_URL is like postgresql://"),
        ({"DATABASE_URL": "postgresql://db:port/desk"}, "DATABASE_URL is like"),
        ({"DATABASE_URL": "postgresql://db:5432/"}, "DATABASE_URL names no database"),
        ({"DATABASE_REPLICA_URL": "postgresql://db/desk?max_age=60"}, "DATABASE_REPLICA_URL has something after its"),
        ({"REDIS_URL": "cache:6379"}, "REDIS_URL is like redis://"),
        ({"REDIS_URL": "redis://"}, "REDIS_URL is like"),
        ({"REDIS_URL": "redis://cache:6379/first"}, "REDIS_URL is like"),
        ({"REDIS_URL": "redis://cache:6379/1?db=2"}, "REDIS_URL is like"),
        ({"REDIS_URL": "unix:///run/valkey.sock?db=first"}, "REDIS_URL is like"),
        ({"EVENTS_REDIS_URL": "http://cache"}, "EVENTS_REDIS_URL is like"),
        ({"BROKER_URL": "amqp://broker"}, "BROKER_URL is like"),
        ({"CACHE_KEY_PREFIX": "a desk*"}, "CACHE_KEY_PREFIX is at most 64 letters"),
        ({"LIVE_URL": "xyz"}, "LIVE_URL is like https://live.example.org"),
        ({"LIVE_URL": "https://x; script-src *"}, "LIVE_URL is like"),
        ({"CORS_ALLOWED_ORIGINS": "example.org"}, "CORS_ALLOWED_ORIGINS is a list such as"),
        ({"CORS_ALLOWED_ORIGINS": "https://example.org/"}, "CORS_ALLOWED_ORIGINS is a list such as"),
        ({"CSRF_TRUSTED_ORIGINS": "desk.example.org"}, "CSRF_TRUSTED_ORIGINS is a list such as"),
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
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT is json or text, not 'xml'."),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT is like http://collector"),
        ({"SENTRY_DSN": "sentry"}, "SENTRY_DSN is like https://key@sentry"),
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
        ("HSTS_SECONDS", ["-1", "x"]),
        ("HTTPS", ["perhaps"]),
    ],
)
def test_a_number_has_its_range(monkeypatch, name, values):
    for value in values:
        with pytest.raises(ImproperlyConfigured, match=f"^{name} is .*, not '{value}'.$"):
            read(monkeypatch, **{name: value})


def test_every_setting_is_explained_in_the_example_and_in_the_docs():
    read_there = {
        name
        for file in (embedded.BASE_DIR / "config").rglob("*.py")
        for name in re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', file.read_text(encoding="utf-8"))
    } | {"PROMETHEUS_MULTIPROC_DIR"}  # which prometheus-client reads
    docs = (embedded.BASE_DIR / "docs/operations.md").read_text(encoding="utf-8")
    table = docs.split("\n| setting |")[1].split("\n\n")[0]
    example = (embedded.BASE_DIR / ".env.example").read_text(encoding="utf-8")
    of_settings = example.split("# --- make run only ---")[0]

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == read_there
    assert set(re.findall(r"^#([A-Z_]+)=", of_settings, re.MULTILINE)) == read_there


# What runs in production, and how each is told what does not fit: without a trace, and with an exit code.
PROGRAMS = {
    "manage.py": [sys.executable, "manage.py", "migrate"],
    "web server": [str(Path(sys.executable).with_name("granian")), "--port=0", "config.wsgi:application"],
    "live": [str(Path(sys.executable).with_name("granian")), "--port=0", "--interface=asgi", "config.asgi:application"],
    "worker": [str(Path(sys.executable).with_name("celery")), "--app=config.celery", "worker"],
}
PROGRAMS["web server"].insert(1, "--interface=wsgi")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_process_that_finds_what_does_not_fit_says_so_and_does_not_start(program):
    wrong = {"SECRET_KEY": "hidden", "REDIS_URL": "hidden", "HTTPS": "perhaps"}
    done = subprocess.run(
        PROGRAMS[program],
        cwd=embedded.BASE_DIR,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "SECRET_KEY is too short to keep a secret. Give it at least 32 random characters.\n" in done.stderr
    assert "HTTPS is true or false, not 'perhaps'.\nREDIS_URL is like redis://" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "hidden" not in done.stderr + done.stdout


def test_django_has_nothing_to_say_against_running_it_in_production():
    given = {"HTTPS": "true", "SECRET_KEY": secrets.token_urlsafe(50), "ALLOWED_HOSTS": "desk.example.org"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=embedded.BASE_DIR,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "System check identified no issues (2 silenced).\n"), done.stderr


def test_what_the_url_says_of_sessions_holds_beside_what_we_say(monkeypatch):
    url = "postgresql://desk@db/desk?options=-csearch_path%3Dlibrary&sslmode=verify-full"
    options = read(monkeypatch, DATABASE_URL=url, PGBOUNCER="off")["DATABASES"]["default"]["OPTIONS"]

    assert options["options"].startswith("-csearch_path=library -c lock_timeout=3s ")
    assert options["sslmode"] == "verify-full"


def test_traces_go_where_either_setting_says_also_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "url").write_text("http://collector:4318/\n")
    found = read(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT_FILE=str(tmp_path / "url"))
    assert (found["TRACED"], found["TRACES_URL"]) == (True, "http://collector:4318/v1/traces")

    found = read(monkeypatch, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://tempo/v1/spans")
    assert found["TRACES_URL"] == "http://tempo/v1/spans"
    monkeypatch.undo()
    assert (read(monkeypatch)["TRACED"], read(monkeypatch)["TRACES_URL"]) == (False, "")


def test_earlier_keys_are_taken_without_the_spaces_between_them(monkeypatch):
    found = read(monkeypatch, SECRET_KEY_FALLBACKS=f"{LONG}1, {LONG}2")

    assert found["SECRET_KEY_FALLBACKS"] == [f"{LONG}1", f"{LONG}2"]


def test_behind_pgbouncer_nothing_is_sent_that_it_refuses(monkeypatch):
    [off, on, prepared] = [
        read(monkeypatch, PGBOUNCER=value)["DATABASES"]["default"] for value in ("off", "on", "prepared")
    ]

    assert off["OPTIONS"]["options"] == (
        "-c lock_timeout=3s -c idle_in_transaction_session_timeout=10s -c pg_trgm.word_similarity_threshold=0.45"
    )
    assert [one["OPTIONS"].get("options") for one in (on, prepared)] == [None, None]
    assert [one["OPTIONS"]["prepare_threshold"] for one in (off, on, prepared)] == [3, None, 3]
    assert [one["ENGINE"] for one in (off, on)] == ["django.db.backends.postgresql", "config.pgbouncer"]
    with pytest.raises(ImproperlyConfigured, match=r"^PGBOUNCER is off, on or prepared, not 'yes'\.$"):
        read(monkeypatch, PGBOUNCER="yes")


def test_a_replica_is_waited_for_less_long_and_nothing_is_routed_without_one(monkeypatch):
    without = read(monkeypatch)
    found = read(monkeypatch, DATABASE_REPLICA_URL="postgresql://desk@replica/library")

    assert (list(without["DATABASES"]), without["DATABASE_ROUTERS"]) == (["default"], [])
    assert (list(found["DATABASES"]), found["DATABASE_ROUTERS"]) == (["default", "replica"], ["rest.replica.Router"])
    assert found["DATABASES"]["replica"]["HOST"] == "replica"
    assert [one["OPTIONS"]["pool"]["timeout"] for one in found["DATABASES"].values()] == [5, 0.5]


def test_after_an_outage_a_pool_begins_anew_with_whoever_asks(monkeypatch):
    """Left alone, it would try at ever longer intervals, minutes apart in the end. While somebody waits, it tries."""
    found = read(monkeypatch, DATABASE_REPLICA_URL="postgresql://desk@replica/library")["DATABASES"]

    pools = [one["OPTIONS"]["pool"] for one in found.values()]
    assert [(pool["timeout"], pool["reconnect_timeout"]) for pool in pools] == [(5, 5), (0.5, 2.0)]
