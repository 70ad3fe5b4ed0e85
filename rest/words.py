"""Sentences of the services, in the language of whoever reads a page of the desk.

Services speak English: “Copy 1-2 is on loan to somebody else.” A catalogue has such a sentence with numbers where the
facts stand, “Copy {0} is on loan to somebody else.” (`manage.py messages` collects them from the code). Here a sentence
finds its entry again, where it is shown: so the rules can be read as rules.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from django.utils.translation import get_language, gettext
from django.utils.translation.trans_real import translation

_PLACE = re.compile(r"\\\{(\d+)\\\}")  # {0}, after re.escape
_DEEP = 3  # a sentence within a sentence, and a word within that


def in_words(sentence: str) -> str:
    """The sentence in the language that is set; as it is, where the catalogue does not have it."""
    language = get_language()
    return sentence if language is None or language.startswith("en") else _translated(sentence, language, _DEEP)


def _translated(text: str, language: str, deep: int) -> str:
    if not text.strip() or (found := gettext(text)) != text:
        return found if text.strip() else text
    if deep == 0:
        return text
    for pattern, entry in _patterns(language):
        if match := pattern.fullmatch(text):
            facts = [_translated(fact or "", language, deep - 1) for fact in match.groups()]
            return gettext(entry).format(*facts)
    # What a state is called begins with a capital where it stands alone.
    capital = text[0].upper() + text[1:]
    return text if (found := gettext(capital)) == capital else found[0].lower() + found[1:]


@lru_cache(maxsize=16)
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Those of the catalogue's entries that have facts in them, the most telling first."""
    catalogue: Any = getattr(translation(language), "_catalog", {})  # as Django's own view for JavaScript reads it
    entries = {entry for entry, _ in catalogue.items() if isinstance(entry, str) and "{0}" in entry}
    ordered = sorted(entries, key=lambda entry: (-len(re.sub(r"\{\d+\}", "", entry)), entry))
    return [(re.compile(_PLACE.sub("(.*?)", re.escape(entry)), re.DOTALL), entry) for entry in ordered]
