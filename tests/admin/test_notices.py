"""Notices in the admin: found, sent again; words that are written, refused and looked at; who wants what."""

import pytest
from django.test import Client

from integrations.notifications.kinds import NAMES, Kind
from integrations.notifications.models import Notice, NoticeTemplate, Preferences
from tests.admin.browser import change_page, errors, page, told
from tests.factories import UserFactory
from tests.notifications.matters import notice_of, reader

pytestmark = pytest.mark.django_db

PREVIEW = "/admin/notifications/noticetemplate/preview/"
WORDS = {
    "kind": "ready",
    "language": "en",
    "subject": "Come, {{ first_name }}",
    "text": "“{{ title }}” is here.",
    "html": "<p><b>{{ title }}</b> is here.</p>",
}


@pytest.fixture
def log():
    """Three notices, of which one failed."""
    sent = notice_of(Kind.READY, member=reader(card_number="C7", email="ada@example.org"))
    failed = notice_of(Kind.OVERDUE)
    Notice.objects.filter(pk=sent.pk).update(state="sent", due_at=None, address="old@example.org")
    Notice.objects.filter(pk=failed.pk).update(state="failed", due_at=None, why="550 No such user.", attempts=1)
    return sent, failed, notice_of(Kind.REGISTRATION)


def listed(desk, **query):
    return set(desk.open(page(Notice), **query).context["cl"].queryset)


def test_the_log_says_why_something_was_not_sent(desk, log):
    assert "550 No such user." in desk.open(page(Notice)).text


def test_the_log_is_narrowed_by_state_and_kind(desk, log):
    sent, failed, _ = log

    assert listed(desk, state__exact="failed") == {failed}
    assert listed(desk, kind__exact="ready") == {sent}


def test_the_log_is_searched_by_card_address_and_message_id(desk, log):
    sent, failed, _ = log

    for text in (
        "C7",
        " ada@example.org",
        "ADA@example.org",
        "old@example.org",
        sent.message_id,
        sent.message_id[1:-1],
    ):
        assert listed(desk, q=text) == {sent}
    assert listed(desk, q=failed.message_id) == {failed}
    assert listed(desk, q="nobody") == set()


def test_notices_are_sent_again(desk, log):
    response = desk.act("send_again", *log)

    assert told(response) == ["2 will be sent again, if what they say is still true. What is queued stays as it is."]
    assert set(Notice.objects.values_list("state", "times")) == {("queued", 1), ("queued", 0)}


def test_nothing_in_the_log_can_be_changed(desk, log):
    assert desk.client.post(change_page(log[0]), {"state": "queued"}).status_code == 403
    assert desk.client.get(page(Notice, "add")).status_code == 403


def test_librarians_work_with_these_pages():
    client = Client()
    client.force_login(UserFactory(staff=True))

    for model in (Notice, NoticeTemplate, Preferences):
        assert client.get(page(model)).status_code == 200


def test_at_the_admins_service_whose_members_are_elsewhere_there_are_no_such_pages(desk, settings, log):
    settings.SERVICE = "admin"

    for model in (Notice, NoticeTemplate, Preferences):
        assert desk.client.get(page(model)).status_code == 403
    assert "/admin/notifications/" not in desk.open("/admin/").text


# --- Words --------------------------------------------------------------------------------------------------------


def test_a_template_begins_with_the_words_that_come_with_the_service(desk):
    add = page(NoticeTemplate, "add")
    typed = desk.typed(add, kind="ready", language="ar")

    assert 'href="?kind=overdue&amp;language=ar"' in desk.open(add).text
    assert typed["subject"] == "«{{ title }}» في انتظاركم"
    assert typed["text"].startswith("مرحبًا")
    assert typed["html"].startswith("<h1>")
    desk.send(add, typed)
    assert NoticeTemplate.objects.get().html == typed["html"].strip()


def test_what_names_there_are_is_said(desk):
    assert ", ".join(NAMES[Kind.EXPIRING]) in desk.open(page(NoticeTemplate, "add")).text


@pytest.mark.parametrize(
    ("part", "text", "told"),
    [
        ("subject", "Come\nBcc: x", "A subject is one line."),
        ("subject", "{{ due_date }}", "Line 1: there is no “due_date” here."),
        ("text", "x\n{{ titel }}", "Line 2: there is no “titel” here."),
        ("html", "<p>\n\n{% if title %}", "Line 3: this “if” has no “endif”."),
        ("html", "{% load static %}", "Line 1: “load” cannot stand here."),
    ],
)
def test_what_cannot_be_a_template_is_not_saved(desk, part, text, told):
    response = desk.send(page(NoticeTemplate, "add"), WORDS, **{part: text})

    assert list(errors(response)) == [part]
    assert errors(response)[part][0].startswith(told)
    assert not NoticeTemplate.objects.exists()


def test_a_language_that_is_none_is_refused(desk):
    assert list(errors(desk.send(page(NoticeTemplate, "add"), WORDS, language="klingon"))) == ["language"]


def test_two_templates_for_one_thing_are_refused(desk):
    desk.send(page(NoticeTemplate, "add"), WORDS)
    response = desk.send(page(NoticeTemplate, "add"), WORDS)

    assert "__all__" in errors(response)
    assert NoticeTemplate.objects.count() == 1


def test_a_template_is_looked_at_without_being_saved(desk):
    run = "<script>alert(1)</script>"
    html = f'<p>"{{{{ title }}}}" {run}</p>'
    response = desk.client.post(PREVIEW, WORDS | {"html": html, "text": WORDS["text"] + run})

    text = response.text
    assert response.status_code == 200
    assert "Come, Ada" in text
    assert "“Middlemarch” is here." in text
    assert "<iframe sandbox " in text
    assert run not in text  # but escaped, and in a frame in which nothing runs
    assert "&quot;Middlemarch&quot;" in text
    assert response["Content-Security-Policy"].startswith("default-src 'self';")
    assert response["Content-Security-Policy"].endswith("; style-src 'self' 'unsafe-inline'")
    assert "script-src" not in response["Content-Security-Policy"]
    assert not NoticeTemplate.objects.exists()


def test_one_that_is_saved_already_can_be_looked_at_too(desk):
    NoticeTemplate.objects.create(**WORDS)

    assert "Come, Ada" in desk.client.post(PREVIEW, WORDS).text


def test_arabic_is_looked_at_from_right_to_left(desk):
    text = desk.client.post(PREVIEW, WORDS | {"language": "ar"}).text

    assert '<h2 dir="rtl" lang="ar">' in text
    assert "dir=&quot;rtl&quot;" in text


def test_what_is_wrong_with_a_template_is_seen_in_its_preview(desk):
    text = desk.client.post(PREVIEW, WORDS | {"text": "{{ titel }}"}).text

    assert "Text: Line 1: there is no “titel” here." in text
    assert "iframe" not in text


def test_a_preview_is_for_staff():
    assert Client().post(PREVIEW, WORDS).status_code == 302
    client = Client()
    client.force_login(UserFactory())
    assert client.post(PREVIEW, WORDS).status_code == 302


# --- Who wants what ------------------------------------------------------------------------------------------------


def test_preferences_are_chosen(desk):
    member = reader()
    desk.send(page(Preferences, "add"), {"member": member.pk, "language": "ar", "unwanted": ["returned", "renewed"]})

    chosen = Preferences.objects.get()
    assert (chosen.member, chosen.language, chosen.unwanted) == (member, "ar", ["returned", "renewed"])
    desk.save(change_page(chosen), language="", unwanted=[])
    chosen.refresh_from_db()
    assert (chosen.language, chosen.unwanted) == ("", [])


def test_preferences_are_found_by_their_member(desk):
    mine = Preferences.objects.create(member=reader(card_number="C7"))
    Preferences.objects.create(member=reader())

    assert list(desk.open(page(Preferences), q="C7").context["cl"].queryset) == [mine]
