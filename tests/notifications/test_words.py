"""What mails say: in two languages, with dates as their readers write them, and nothing that somebody slipped in."""

from datetime import datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest

from events.models import Event
from integrations.notifications import rendering
from integrations.notifications.kinds import NAMES, Kind
from integrations.notifications.locked import Unfit, fill, parse
from integrations.notifications.models import NoticeTemplate, Preferences
from integrations.notifications.rendering import Words, language_of, letter_for, previewed, problems_of, shipped
from integrations.notifications.sending import send_due
from integrations.notifications.wording import day, sample, values_of
from library.models import Branch
from reservations.models import Reservation
from tests.factories import NOW, ReservationFactory
from tests.notifications.matters import notice_of, reader, reservation

pytestmark = pytest.mark.django_db

every_kind = pytest.mark.parametrize("kind", list(Kind))
both_languages = pytest.mark.parametrize("language", ["en", "ar"])
HOSTILE = '<script>alert("x")</script>&{{ name }}'
VOID = {"meta", "br", "hr", "img", "link"}


class Page(HTMLParser):
    """What a mail is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def names(self):
        return {tag for tag, _ in self.tags}

    def attributes(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


# --- What comes with the service ----------------------------------------------------------------------------------


@every_kind
@both_languages
def test_every_shipped_template_fits_and_says_all_that_it_should(kind, language):
    words = shipped(kind, language)

    assert words is not None
    assert problems_of(kind, words) == {}
    letter = previewed(kind, words)
    for value in sample(kind, language).values():
        if value not in ("Ada Lovelace", "Main Library" if kind in ("returned", "cancelled") else ""):
            assert value in letter.text or value in ("Ada", "C00000002", "George Eliot")
            assert value in letter.html
    assert "{" not in letter.text + letter.subject
    assert "{{" not in letter.html
    assert letter.text.strip().splitlines()[0].endswith(("Ada,", "Ada،"))


@every_kind
def test_no_name_stands_in_a_template_that_its_kind_does_not_have(kind):
    for language in ("en", "ar"):
        assert set(sample(kind, language)) == set(NAMES[kind])
        assert set(values_of(notice_of(kind), language)) == set(NAMES[kind])


@every_kind
@both_languages
def test_the_html_is_simple_and_asks_nothing_of_anybody(kind, language):
    letter = previewed(kind, shipped(kind, language))
    page = Page(letter.html)

    assert page.names <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "p", "dl", "dt", "dd", "bdi", "footer"
    }  # fmt: skip
    assert not any(name in attributes for _, attributes in page.tags for name in ("src", "href", "onload", "style"))
    assert "http" not in letter.html
    assert "url(" not in letter.html
    direction = {"lang": language, "dir": "rtl" if language == "ar" else "ltr"}
    assert page.attributes("html") == page.attributes("main") == [direction]
    assert {"name": "color-scheme", "content": "light dark"} in page.attributes("meta")


@every_kind
def test_arabic_is_arabic(kind):
    letter = previewed(kind, shipped(kind, "ar"))
    latin = letter.text
    for value in ("Ada Lovelace", "Ada", "Middlemarch", "George Eliot", "Main Library", "Circdesk Library",
                  "Riverside Library", "C00000002"):  # fmt: skip
        latin = latin.replace(value, "")

    assert not any("a" <= character.lower() <= "z" for character in latin)
    assert any("؀" <= character <= "ۿ" for character in letter.subject)


@pytest.mark.parametrize(
    ("language", "zone", "written"),
    [
        ("en", "UTC", "Monday, 16 March 2026"),
        ("ar", "UTC", "الاثنين 16 مارس 2026"),
        ("en-gb", "UTC", "Monday, 16 March 2026"),
        ("de", "UTC", "16. März 2026"),
        ("en", "Asia/Tokyo", "Tuesday, 17 March 2026, 08:59"),
        ("ar", "Asia/Tokyo", "الثلاثاء 17 مارس 2026، 08:59"),
    ],
)
def test_a_date_is_that_of_the_branch_as_the_reader_writes_it(language, zone, written):
    moment = datetime(2026, 3, 16, 23, 59, 59, tzinfo=ZoneInfo("UTC"))

    assert day(moment, zone, language) == written


def test_dates_in_mails_are_those_of_the_branch():
    Branch.objects.update(time_zone="Asia/Tokyo")
    returned = notice_of(Kind.RETURNED)
    type(returned.loan).objects.update(returned_at=datetime(2026, 3, 2, 20, tzinfo=ZoneInfo("UTC")))
    returned.refresh_from_db()

    assert values_of(returned, "en")["returned_on"] == "Tuesday, 3 March 2026"


def test_a_place_in_the_line_is_that_of_now():
    first = ReservationFactory()
    notice = notice_of(Kind.RESERVED, matter=reservation(Kind.RESERVED, book=first.book))

    assert values_of(notice, "en")["place"] == "2"
    Reservation.objects.filter(pk=first.pk).update(status="cancelled", closed_at=NOW)
    assert values_of(notice, "en")["place"] == "1"


@pytest.mark.parametrize(
    ("kind", "payload", "english", "arabic"),
    [
        ("expire", {"reason": "not collected"}, "It was not collected in time.", "لم تُستلم النسخة في الموعد المحدد."),
        ("cancel", {"reason": "moved away"}, "moved away", "moved away"),
        ("cancel", {}, "", ""),
    ],
)
def test_why_a_reservation_ended_is_said_in_words(kind, payload, english, arabic):
    notice = notice_of(Kind.CANCELLED)
    where = {"book_id": notice.reservation.book_id, "reservation_id": notice.reservation_id}
    Event.objects.create(kind=kind, payload=payload, occurred_at=NOW, **where)

    assert values_of(notice, "en")["reason"] == english
    assert values_of(notice, "ar")["reason"] == arabic
    assert "  " not in letter_for(notice, "en").text


# --- In which words ------------------------------------------------------------------------------------------------


def test_a_member_is_written_to_in_their_language(post):
    notice = notice_of(Kind.READY, member=reader(first_name="ليلى"))
    Preferences.objects.create(member=notice.member, language="ar")

    send_due(NOW)

    notice.refresh_from_db()
    mail = post.mail
    assert (notice.language, mail["Content-Language"]) == ("ar", "ar")
    assert mail["Subject"] == notice.subject == f"«{notice.reservation.book.title}» في انتظاركم"
    assert mail.get_body(("plain",)).get_content().startswith("مرحبًا ليلى،")
    assert '<main lang="ar" dir="rtl">' in mail.get_body(("html",)).get_content()


def test_the_librarys_own_language_is_the_usual_one(settings):
    settings.LANGUAGE_CODE = "ar"
    notice = notice_of(Kind.READY)

    assert language_of(notice) == "ar"
    Preferences.objects.create(member=notice.member, language="")
    notice.refresh_from_db()
    assert language_of(notice) == "ar"


@pytest.mark.parametrize(("asked", "given"), [("de", "en"), ("ar-dz", "ar"), ("en-gb", "en")])
def test_what_nobody_wrote_in_a_language_comes_in_the_nearest(asked, given):
    letter = letter_for(notice_of(Kind.READY), asked)

    assert letter.language == given
    assert "March 2026" in letter.text if given == "en" else "مارس 2026" in letter.text


def test_the_librarys_own_words_come_first_until_they_are_deleted():
    notice = notice_of(Kind.READY)
    NoticeTemplate.objects.create(kind="overdue", language="en", subject="Wrong kind", text="x", html="x")
    NoticeTemplate.objects.create(kind="ready", language="ar", subject="Wrong language", text="x", html="x")
    own = NoticeTemplate.objects.create(
        kind="ready", language="en", subject="Come, {{ first_name }}", text="T {{ barcode }}", html="<p>{{ title }}</p>"
    )
    letter = letter_for(notice, "en")

    assert (letter.subject, letter.text) == ("Come, Ada", f"T {notice.reservation.copy.barcode}\n")
    assert f"<p>{notice.reservation.book.title}</p>" in letter.html
    assert letter_for(notice, "de").subject == "Come, Ada"
    own.delete()
    assert letter_for(notice, "en").subject.startswith("Ready for you")


def test_words_in_another_language_need_no_shipped_ones():
    NoticeTemplate.objects.create(kind="ready", language="de", subject="Da", text="{{ shelf_until }}", html="Da")

    letter = letter_for(notice_of(Kind.READY), "de")

    assert (letter.language, letter.subject, letter.text) == ("de", "Da", "9. März 2026, 10:00\n")


def test_words_that_do_not_fit_any_more_are_passed_over(caplog):
    NoticeTemplate.objects.create(kind="ready", language="en", subject="{{ gone }}", text="x", html="x")

    assert letter_for(notice_of(Kind.READY), "en").subject.startswith("Ready for you")
    assert "The template of ready in en is passed over: Line 1: there is no “gone” here." in caplog.text


# --- Text is text ------------------------------------------------------------------------------------------------


@both_languages
def test_html_in_a_title_or_a_name_is_shown_and_not_run(language):
    notice = notice_of(Kind.READY, member=reader(first_name=HOSTILE), book__title=HOSTILE, book__authors=HOSTILE)

    letter = letter_for(notice, language)

    page = Page(letter.html)
    assert "script" not in page.names
    assert "".join(page.texts).count(HOSTILE) == 5  # title twice and in the head, author, name
    assert letter.text.count(HOSTILE) == 3
    assert HOSTILE in letter.subject


def test_a_line_break_in_a_title_breaks_no_subject(post):
    notice = notice_of(Kind.READY, book__title="One\r\nBcc: everybody@example.org\nTwo")

    send_due(NOW)

    notice.refresh_from_db()
    assert notice.state == "sent"
    assert post.mail["Subject"] == "Ready for you: One Bcc: everybody@example.org Two"
    assert post.mail["Bcc"] is None


def test_a_long_title_is_cut_in_the_subject():
    letter = letter_for(notice_of(Kind.READY, book__title="x" * 500), "en")

    assert len(letter.subject) == 300
    assert "x" * 500 in letter.text


# --- What librarians may write ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ due }}", "Line 1: there is no “due” here. There is: author, barcode,"),
        ("a\nb {{ title.upper }}", "Line 2: there is no “title.upper” here."),
        ("{% if due %}x{% endif %}", "Line 1: there is no “due” here."),
        ("{% if title and due %}x{% endif %}", "Line 1: there is no “due” here."),
        ("{{ title|default:due }}", "Line 1: there is no “due” here."),
        ("\n\n{% if title %}\nx", "Line 3: this “if” has no “endif”."),
        ("{% endif %}", "Line 1: “endif” cannot stand here. There is: if, elif, else, endif."),
        ('{% include "x" %}', "Line 1: “include” cannot stand here."),
        ('{% extends "x" %}', "Line 1: “extends” cannot stand here."),
        ("{% load static %}", "Line 1: “load” cannot stand here."),
        ("{% debug %}", "Line 1: “debug” cannot stand here."),
        ("{% for a in title %}{% endfor %}", "Line 1: “for” cannot stand here."),
        ("{% autoescape off %}{{ title }}{% endautoescape %}", "Line 1: “autoescape” cannot stand here."),
        ("{{ title|safe }}", "Line 1: there is no filter “safe” here. There is: capfirst, default,"),
        ("{{ title|ljust:99999999 }}", "Line 1: there is no filter “ljust” here."),
        ("{{ title", "{{ in line 1 belongs to nothing."),
        ("x\ntitle }}", "}} in line 2 belongs to nothing."),
        ("{{ ti\ntle }}", "{{ in line 1 belongs to nothing."),
        ("{% if title", "{% in line 1 belongs to nothing."),
        ("{{ }}", "Line 1: Empty variable tag on line 1."),
        ("{{ title name }}", "Line 1: Could not parse the remainder: ' name' from 'title name'."),
        ("{{ _title }}", "Line 1: Variables and attributes may not begin with underscores: '_title'."),
        ("{% if %}x{% endif %}", "Line 1: Unexpected end of expression in if tag."),
        ("x" * 20_001, "It is too long: 20,000 characters are possible."),
        ("{% if title %}" * 11 + "{% endif %}" * 11, "Line 1: conditions stand in each other 11 deep."),
        ("{% if " + "not " * 4000 + "title %}x{% endif %}", "the condition in line 1 is too long."),
        ("\n{% if title" + " and title" * 30 + " %}x{% endif %}", "the condition in line 2 is too long."),
        ("{% if title %}" * 800 + "{% endif %}" * 750, "Line 1: conditions stand in each other 11 deep."),
    ],
)
def test_what_cannot_be_a_template_is_refused_with_the_place(text, told):
    with pytest.raises(Unfit) as refusal:
        parse(text, tuple(sorted(NAMES[Kind.READY])))

    assert str(refusal.value).startswith(told)


def test_names_filters_conditions_and_comments_are_possible():
    text = (
        '{# a note #}{% if not author %}A{% elif title == "x" %}{{ title|upper }}'
        "{% else %}{{ author|default:title }}{% endif %}"
    )
    names = {"author": "", "title": "x"}

    assert fill(text, names, is_html=False) == "A"
    assert fill(text, names | {"author": "b"}, is_html=False) == "X"
    assert fill(text, {"author": "b", "title": "<"}, is_html=True) == "b"
    assert fill("{{ title|truncatechars:3 }}&", {"title": "<bcd"}, is_html=True) == "&lt;b…&"


def test_every_part_says_what_is_wrong_with_it():
    words = Words("en", "Two\nlines", "{{ due_date }}", " ")

    assert problems_of(Kind.READY, words) == {
        "subject": "A subject is one line.",
        "text": (
            "Line 1: there is no “due_date” here. There is: author, barcode, branch, card_number, first_name, library, "
            "name, shelf_until, title."
        ),
        "html": "Something must stand here.",
    }


def test_a_language_is_right_to_left_or_not():
    assert [rendering.is_from_right_to_left(code) for code in ("ar", "he", "fa", "en", "de")] == [True] * 3 + [
        False
    ] * 2
