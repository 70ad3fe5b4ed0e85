"""From a notice to the words of a mail: in the reader's language, in the library's own words where it has some."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.html import escape
from django.utils.translation import get_language_info

from integrations.notifications.kinds import NAMES
from integrations.notifications.locked import Unfit, fill, parse
from integrations.notifications.models import Notice, NoticeTemplate
from integrations.notifications.wording import sample, values_of

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent / "shipped"
SUBJECT = "Subject: "
LONGEST_SUBJECT = 300
PARTS = ("subject", "text", "html")
# Of both colours a reader may have chosen. Styles, and direction, also where a reader keeps nothing but the body.
_PAGE = """\
<!DOCTYPE html>
<html lang="{}" dir="{}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; }}
main {{ max-width: 36em; margin: 0 auto; padding: 1.5em; font: 1em/1.6 system-ui, sans-serif; }}
h1 {{ font-size: 1.3em; line-height: 1.3; margin: 0 0 1em; }}
dl {{ margin: 1.2em 0; padding: 0.8em 1.2em; border: 1px solid #8888; border-radius: 0.4em; }}
dt {{ font-size: 0.85em; opacity: 0.8; }}
dd {{ margin: 0 0 0.6em; }}
footer {{ margin-top: 2em; padding-top: 1em; border-top: 1px solid #8888; font-size: 0.85em; opacity: 0.85; }}
</style>
</head>
<body>
<main lang="{}" dir="{}">
{}
</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Words:
    """A template: the library's own, or one that comes with the service."""

    language: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Letter:
    """A mail as it is read."""

    language: str
    subject: str
    text: str
    html: str


def letter_for(notice: Notice, language: str) -> Letter:
    """What a notice says in this language; or, where nobody wrote it in that, in English."""
    for words in _candidates(notice.kind, language):
        try:
            return written(words, values_of(notice, words.language))
        except Unfit as problem:  # saved before a name went out of use
            logger.error("The template of %s in %s is passed over: %s", notice.kind, words.language, problem)
    raise AssertionError("unreachable: what is shipped fits")


def written(words: Words, values: Mapping[str, str]) -> Letter:
    """A template filled in. Raises Unfit."""
    subject = " ".join(fill(words.subject, values, is_html=False).split())[:LONGEST_SUBJECT]
    text = fill(words.text, values, is_html=False).strip() + "\n"
    body = fill(words.html, values, is_html=True).strip()
    direction = "rtl" if is_from_right_to_left(words.language) else "ltr"
    # The body was escaped where values stand in it, and is meant as it is otherwise. What comes of it is plain text,
    # which is escaped again where it is shown.
    page = _PAGE.format(words.language, direction, escape(subject), words.language, direction, body)
    return Letter(words.language, subject, text, page)


def is_from_right_to_left(language: str) -> bool:
    return bool(get_language_info(language)["bidi"])


def previewed(kind: str, words: Words) -> Letter:
    """As it might look. Raises Unfit."""
    return written(words, sample(kind, words.language))


def problems_of(kind: str, words: Words) -> dict[str, str]:
    """Why a template cannot be used, by the name of its part; nothing when it can."""
    found: dict[str, str] = {}
    for part in PARTS:
        text: str = getattr(words, part)
        try:
            if not text.strip():
                raise Unfit("Something must stand here.")
            if part == "subject" and len(text.splitlines()) > 1:
                raise Unfit("A subject is one line.")
            parse(text, tuple(sorted(NAMES[kind])))
        except Unfit as problem:
            found[part] = str(problem)
    return found


@cache
def shipped(kind: str, language: str) -> Words | None:
    """What comes with the service."""
    base = SHIPPED / language / kind
    try:
        text = base.with_suffix(".txt").read_text(encoding="utf-8")
        html = base.with_suffix(".html").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    first, _, rest = text.partition("\n")
    return Words(language, first.removeprefix(SUBJECT), rest.strip(), html.strip())


def usual(kind: str, language: str) -> Words:
    """What is shipped for this language, or else in English."""
    found = shipped(kind, language) or shipped(kind, language.partition("-")[0]) or shipped(kind, "en")
    assert found is not None
    return found


def _candidates(kind: str, language: str) -> list[Words]:
    """The best first: the library's own words before those that are shipped, the language before English."""
    languages = list(dict.fromkeys([language, language.partition("-")[0], "en"]))
    rows = {row.language: row for row in NoticeTemplate.objects.filter(kind=kind, language__in=languages)}
    found: list[Words] = []
    for each in languages:
        if row := rows.get(each):
            found.append(Words(each, row.subject, row.text, row.html))
        if words := shipped(kind, each):
            found.append(words)
    return found


def language_of(notice: Notice) -> str:
    """The language that the member asked for; without one, the library's."""
    preferences = getattr(notice.member, "notice_preferences", None)
    return (preferences.language if preferences else "") or settings.LANGUAGE_CODE
