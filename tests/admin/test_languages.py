"""The admin speaks the reader's language, if there is a catalogue for it; the API goes on in English."""

import gettext
import re
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.utils.translation import override, trans_real

from config import languages
from config.labels import labels
from config.sentences import sentences
from integrations.notifications.kinds import NAMES as KIND_NAMES
from library.models import Book
from rest import words
from tests.admin.browser import change_page, page
from tests.admin.library import ADDED_BY_HAND, MODELS, row_of, stock
from tests.factories import BookFactory, CopyFactory, LoanFactory, MemberFactory

pytestmark = pytest.mark.django_db

SHOWN = ("placeholder", "title", "aria-label", "alt")
# What is the same in every language: names, keys of the keyboard; how Esperanto writes dates; what was recorded once.
NAMES = {"Circdesk", "je", "de", "yes", "no", "CSV", "Ctrl", "esc", "ID", "API", "URL", "ISBN", "UTC", "Id", "Pk"}
# Codes of languages, and what a template may name.
NAMES |= {part for code, _ in settings.LANGUAGES for part in code.split("-")}
NAMES |= {part for names in KIND_NAMES.values() for name in names for part in name.split("_")} | {"if", "endif"}


class Pseudo(gettext.NullTranslations):
    """A language in which every text stands in brackets."""

    def gettext(self, message):
        return f"⟦{message.rpartition(chr(4))[2]}⟧" if message.strip() else message

    def ngettext(self, one, many, number):
        return self.gettext(one if number == 1 else many)

    def to_language(self):
        return "eo"

    def language(self):
        return "eo"


@pytest.fixture
def esperanto(monkeypatch):
    monkeypatch.setitem(trans_real._translations, "eo", Pseudo())
    monkeypatch.setattr(languages, "_has_catalogue", lambda code: code == "eo")


class Texts(HTMLParser):
    """Every text of a page that a person sees, or hears read out."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.found += [given[name] for name in SHOWN if given.get(name)]
        if tag not in ("meta", "link", "input", "img", "br", "hr"):
            # Symbols are a font in which words are drawn as pictures.
            hidden = tag in ("script", "style", "code") or "material-symbols" in (given.get("class") or "")
            self.inside.append(hidden)

    def handle_endtag(self, tag):
        if self.inside:
            self.inside.pop()

    def handle_data(self, text):
        if not any(self.inside):
            self.found.append(text)


def english_on(response) -> set[str]:
    """The words that are in no brackets and stand in no row of the database."""
    texts = Texts()
    texts.feed(response.text)
    stored = {
        word.lower()
        for model in [*apps.get_models()]
        for row in model._base_manager.all()[:200]
        for value in [*vars(row).values(), row]
        for word in re.findall(r"[^\W\d_]{2,}", str(value))
    }
    left = " ".join(texts.found)
    while (less := re.sub(r"⟦[^⟦⟧]*⟧", " ", left)) != left:
        left = less
    return {word for word in re.findall(r"[A-Za-z]{2,}", left) if word.lower() not in stored} - NAMES


@pytest.mark.usefixtures("esperanto")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_text_of_a_list_and_of_a_page_can_be_translated(desk, model):
    stock()
    desk.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "eo"

    pages = [page(model), change_page(row_of(model))] + [page(model, "add")] * (model in ADDED_BY_HAND)

    assert {url: found for url in pages if (found := english_on(desk.open(url)))} == {}


@pytest.mark.usefixtures("esperanto")
def test_every_text_of_signing_in_and_of_a_question_can_be_translated(desk):
    book = BookFactory(title="0")
    desk.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "eo"

    assert english_on(desk.act("withdraw", book)) == set()
    assert english_on(desk.client.get("/admin/find/?q=0")) == set()
    desk.client.logout()
    assert english_on(desk.client.get("/admin/login/")) == set()


@pytest.mark.usefixtures("esperanto")
@pytest.mark.parametrize(
    ("asked", "language"),
    [("eo", "eo"), ("eo-XX,en;q=0.5", "eo"), ("fr,eo;q=0.5", "eo"), ("fr", "en"), ("en,eo;q=0.5", "en"), ("", "en"),
     ("*", "en"), ("../../etc,\x01", "en")],
)  # fmt: skip
def test_the_browser_says_which_language_and_without_a_catalogue_it_is_english(desk, asked, language):
    text = desk.client.get(page(Book), headers={"accept-language": asked}).text

    assert f'lang="{language}"' in text


@pytest.mark.usefixtures("esperanto")
def test_the_api_and_the_next_request_stay_english(desk):
    desk.client.get(page(Book), headers={"accept-language": "eo"})

    assert "⟦" not in desk.client.get("/api/books/999999/", headers={"accept-language": "eo"}).text
    assert "⟦" not in desk.open(page(Book)).text


def test_what_models_are_called_is_collected_for_translators():
    assert {"title", "card number", "Waiting", "A BCP 47 or MARC code, such as en or ger."} <= set(labels())


@pytest.mark.slow
def test_translators_get_every_text_and_their_work_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "LOCALE_PATHS", [tmp_path])
    call_command("messages", "eo", verbosity=0)

    catalogue = (tmp_path / "eo" / "LC_MESSAGES" / "django.po").read_text()
    for text in (
        "Export these as CSV",
        "Withdraw for good",
        "card number",
        "“%(title)s” was withdrawn.",
        "Copy {0} lent to {1} until {2}.",
    ):
        assert f'msgid "{text}"' in catalogue
    assert (tmp_path / "eo" / "LC_MESSAGES" / "django.mo").exists()


# --- What services say -------------------------------------------------------------------------------------

GERMAN = {
    "{0} has {1} on loan, and {2} is the limit.": "{0} hat {1} ausgeliehen, erlaubt sind {2}.",
    "Copy {0} is {1} and cannot be lent.": "Exemplar {0} ist {1} und wird nicht verliehen.",
    "Copy {0} returned. {1}": "Exemplar {0} ist zurück. {1}",
    "Copy {0} lent to {1} until {2}.": "{1} hat Exemplar {0} bis {2}.",
    "Put it back on the shelf.": "Bitte ins Regal stellen.",
    "Damaged": "Beschädigt",
    "There is no member {0}.": "Es gibt kein Mitglied {0}.",
    "Reason": "Grund",
}


class German(gettext.NullTranslations):
    _catalog = GERMAN

    def gettext(self, message):
        return GERMAN.get(message.rpartition(chr(4))[2], message)

    def to_language(self):
        return "de"

    def language(self):
        return "de"


@pytest.fixture
def german(monkeypatch):
    monkeypatch.setitem(trans_real._translations, "de", German())
    monkeypatch.setattr(languages, "_has_catalogue", lambda code: code == "de")
    words._patterns.cache_clear()
    yield
    words._patterns.cache_clear()


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Ada Lovelace has 5 on loan, and 5 is the limit.", "Ada Lovelace hat 5 ausgeliehen, erlaubt sind 5."),
        ("Copy 1-2 is damaged and cannot be lent.", "Exemplar 1-2 ist beschädigt und wird nicht verliehen."),
        ("Copy 1-2 returned. Put it back on the shelf.", "Exemplar 1-2 ist zurück. Bitte ins Regal stellen."),
        ("Copy 1-2 lent to Ada until 2026-12-31.", "Ada hat Exemplar 1-2 bis 2026-12-31."),
        ("Put it back on the shelf.", "Bitte ins Regal stellen."),
        ("What no catalogue has.", "What no catalogue has."),
        ("", ""),
    ],
)
def test_what_a_service_said_is_told_in_the_readers_language(said, told):
    with override("de"):
        assert words.in_words(said) == told
    assert words.in_words(said) == said


@pytest.mark.usefixtures("german")
def test_the_desks_page_is_answered_in_its_readers_language_and_a_program_in_english(desk):
    copy = CopyFactory(barcode="1-2", damaged=True)
    member = MemberFactory()
    body = {"code": copy.barcode, "card_number": member.card_number}

    def scan(**headers):
        answer = desk.client.post("/api/circulation/scan/", body, "application/json", headers=headers)
        return answer.json()["error"]["message"], answer.json()["error"]["details"]["refusals"][0]["message"]

    here = scan(**{"accept-language": "de", "x-csrftoken": "of a page"})
    assert here == ("Exemplar 1-2 ist beschädigt und wird nicht verliehen.",) * 2
    assert scan(**{"accept-language": "de"}) == ("Copy 1-2 is damaged and cannot be lent.",) * 2
    assert scan(**{"accept-language": "fr", "x-csrftoken": "of a page"})[0].startswith("Copy 1-2 is damaged")


@pytest.mark.usefixtures("german")
def test_what_came_of_a_button_is_told_in_the_readers_language(desk):
    loan = LoanFactory()
    url = f"/admin/members/{loan.member_id}/"
    german = {"headers": {"accept-language": "de"}, "follow": True}

    assert "Bitte ins Regal stellen." in desk.client.post(url, {"do": f"return:{loan.pk}"}, **german).text


def test_what_services_say_is_collected_for_translators():
    assert {
        "Copy {0} is {1} and cannot be lent.",
        "{0} has {1} on loan, and {2} is the limit.",
        "Put it back on the shelf.",
        "Copy {0} returned. {1}",
        "Copy {0} lent to {1} until {2}.",
        " for {0}",
        "The reservation of “{0}” is cancelled.",
    } <= set(sentences())
