"""The admin speaks the reader's language, if there is a catalogue for it; the API goes on in English."""

import gettext
import re
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.utils.translation import trans_real

from config import languages
from config.labels import labels
from integrations.notifications.kinds import NAMES as KIND_NAMES
from library.models import Book
from tests.admin.browser import change_page, page
from tests.admin.library import ADDED_BY_HAND, MODELS, row_of, stock
from tests.factories import BookFactory

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
    for text in ("Export these as CSV", "Withdraw for good", "card number", "“%(title)s” was withdrawn."):
        assert f'msgid "{text}"' in catalogue
    assert (tmp_path / "eo" / "LC_MESSAGES" / "django.mo").exists()
