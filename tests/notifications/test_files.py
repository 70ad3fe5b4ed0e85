"""Mails as files, on a machine without a mail server."""

import stat
import threading
import time
from html import unescape
from pathlib import Path

import pytest
from django.core.mail import EmailMessage, get_connection

from config.run import Address, welcome
from integrations.notifications import files, rendering
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Preferences
from integrations.notifications.sending import send_due
from tests.factories import NOW
from tests.notifications.matters import notice_of, reader

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail(settings, tmp_path) -> Path:
    settings.EMAIL_BACKEND = "integrations.notifications.files.MailFiles"
    settings.MAIL_DIR = tmp_path / "local" / "mail"
    return settings.MAIL_DIR


def mails(mail):
    return sorted(path for path in mail.glob("*.html") if path.name != "index.html")


def test_a_mail_is_a_page_with_its_headers_its_html_and_its_text(mail):
    notice = notice_of(Kind.READY, member=reader(first_name="Ada", email="ada@example.org"), book__title="Middlemarch")

    send_due(NOW)

    notice.refresh_from_db()
    [path] = mails(mail)
    page = path.read_text(encoding="utf-8")
    letter = rendering.letter_for(notice, "en")
    assert notice.state == "sent"
    assert path.name.endswith("-ready-for-you-middlemarch.html")
    for shown in ("Ready for you: Middlemarch", "ada@example.org", "auto-generated"):
        assert shown in page
    assert notice.message_id in unescape(page)
    frame = page.split('srcdoc="')[1].split('"></iframe>')[0]
    assert unescape(frame) == letter.html
    assert '<iframe sandbox title="HTML"' in page
    assert unescape(page.split("<pre dir=auto>")[1].split("</pre>")[0]) == letter.text


def test_the_index_lists_the_newest_first_with_links(mail):
    for title in ("First", "Second", "Third"):
        notice_of(Kind.READY, book__title=title)
        send_due(NOW)

    index = (mail / "index.html").read_text(encoding="utf-8")

    links = [part.split('"')[0] for part in index.split('<a href="')[1:]]
    assert links == [path.name for path in reversed(mails(mail))]
    assert index.index("Third") < index.index("Second") < index.index("First")
    assert "They were not sent: no mail server is set (EMAIL_URL)." in index


def test_arabic_is_readable_in_the_page_and_in_its_name(mail):
    notice = notice_of(Kind.OVERDUE, book__title="ألف ليلة وليلة")
    Preferences.objects.create(member=notice.member, language="ar")

    send_due(NOW)

    [path] = mails(mail)
    assert "ألف-ليلة-وليلة" in path.name
    assert "انقضى موعد إعادة «ألف ليلة وليلة»" in path.read_text(encoding="utf-8")
    assert "انقضى موعد إعادة" in (mail / "index.html").read_text(encoding="utf-8")


def test_html_in_a_title_does_not_run_in_the_page_or_the_index(mail):
    notice_of(Kind.READY, book__title="<script>alert(1)</script>\"'></title>", member=reader(first_name="<b>Ada"))

    send_due(NOW)

    for path in [*mails(mail), mail / "index.html"]:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text
        assert "<b>" not in text
        assert text.count("</title>") == 1
    assert "&lt;script&gt;" in (mail / "index.html").read_text(encoding="utf-8")


def test_what_is_written_is_for_nobody_else_to_read(mail):
    notice_of(Kind.READY)
    send_due(NOW)

    assert stat.S_IMODE(mail.stat().st_mode) == 0o700
    assert not list(mail.glob("*.new"))


def test_mails_that_are_written_at_once_are_all_listed(mail, monkeypatch):
    index = files._index

    def slowly(directory):
        listed = index(directory)
        time.sleep(0.02)  # somebody else's mail comes, were it let in
        return listed

    monkeypatch.setattr(files, "_index", slowly)
    messages = [EmailMessage("Same", "x", to=["a@example.org"]) for _ in range(12)]
    threads = [threading.Thread(target=get_connection().send_messages, args=[[message]]) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    index = (mail / "index.html").read_text(encoding="utf-8")
    assert len(mails(mail)) == 12
    assert index.count("<a href=") == 12


@pytest.mark.parametrize(
    ("service", "is_told", "admin_too"), [("all", True, True), ("public", True, False), ("admin", False, True)]
)
def test_make_run_says_where_mails_are_where_any_are_written(settings, service, is_told, admin_too):
    settings.SERVICE, settings.MAIL_DIR = service, Path("/somewhere/mail")

    said = welcome(Address("127.0.0.1", 8000), "sign in")

    assert ("file:///somewhere/mail/index.html" in said) is is_told
    assert ("/admin/ " in said) is admin_too
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert "file://" not in welcome(Address("127.0.0.1", 8000), "sign in")


def test_a_title_in_letters_of_four_bytes_fits_the_name_of_a_file(mail):
    notice = notice_of(Kind.READY, book__title="𠀀" * 80)

    send_due(NOW)

    notice.refresh_from_db()
    assert notice.state == "sent"
    assert len(mails(mail)) == 1
