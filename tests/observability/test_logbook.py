"""The log in the admin: found by level, part of the program and request, however long it is; never changed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from integrations.logbook.models import Entry
from tests.admin.browser import Browser, change_page, page
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    client = Client()
    client.force_login(UserFactory(admin=True))
    return Browser(client)


def entry(**fields):
    fields = {"at": timezone.now(), "level": Entry.Level.WARNING, "logger": "events.redis", "message": "Away."} | fields
    return Entry.objects.create(**fields)


def listed(desk, **query):
    return [row.message for row in desk.open(page(Entry), **query).context["cl"].result_list]


def test_entries_are_found_by_level_logger_day_and_request(desk):
    entry(message="old", at=timezone.now() - timedelta(days=20))
    entry(message="error", level=Entry.Level.ERROR, logger="django.request", request_id="r1")
    entry(message="new")

    assert listed(desk) == ["new", "error", "old"]
    assert listed(desk, level__exact=40) == ["error"]
    assert listed(desk, logger="events.redis") == ["new", "old"]
    assert listed(desk, at__gte=timezone.now() - timedelta(days=7)) == ["new", "error"]
    assert listed(desk, q=" r1 ") == ["error"]
    assert listed(desk, q="r") == []


def test_the_filter_names_each_logger_once(desk):
    for name in ("b", "a", "b", "c.d", "a"):
        entry(logger=name)

    [choices] = [spec for spec in desk.open(page(Entry)).context["cl"].filter_specs if spec.title == "logger"]
    assert choices.lookup_choices == [("a", "a"), ("b", "b"), ("c.d", "c.d")]


def test_an_entry_is_shown_whole_and_changed_by_nobody(desk):
    kept = entry(message="It failed", trace="Traceback: <b>here</b>", level=Entry.Level.ERROR)

    text = desk.open(change_page(kept)).text
    assert "Traceback: &lt;b&gt;here&lt;/b&gt;" in text
    assert desk.client.post(change_page(kept), {"message": "x"}).status_code == 403
    assert desk.client.post(page(Entry, "delete", kept.pk), {"post": "yes"}).status_code == 403


def test_the_log_is_for_admins():
    client = Client()
    client.force_login(UserFactory(staff=True))

    assert client.get(page(Entry)).status_code == 403


def test_lists_look_into_an_index_however_long_the_log_is():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO logbook_entry (at, level, logger, message, request_id, route, trace) "
            "SELECT now() - n * interval '1 s', CASE WHEN n % 5000 = 0 THEN 40 ELSE 30 END, "
            "CASE WHEN n % 5000 = 0 THEN 'rare' ELSE 'often' END, 'said', 'r' || n, '', '' "
            "FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE logbook_entry")
    entries = Entry.objects.order_by("-pk")

    for rows, index in [
        (entries[:50], "logbook_entry_pkey"),
        (entries.filter(level=40)[:50], "entry_level"),
        (entries.filter(logger="rare")[:50], "entry_logger"),
        (entries.filter(request_id="r77")[:50], "entry_request"),
        (entries.filter(at__lte=timezone.now() - timedelta(hours=5.5)).order_by(), "entry_at"),
    ]:
        plan = rows.explain()
        assert index in plan
        assert "Seq Scan" not in plan
