"""In which language a person reads the admin: the browser's, where there is a catalogue for it."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import override, to_locale
from django.utils.translation.trans_real import language_code_re, parse_accept_lang_header


def reading(request: HttpRequest) -> override:
    """Inside, texts are in the language of whoever asks. Outside stays English: the API, mails, the log."""
    return override(_wanted(request.headers.get("Accept-Language", "")))


def _wanted(accepted: str) -> str:
    for code, _ in parse_accept_lang_header(accepted):
        if code == "*" or not language_code_re.search(code):
            continue
        for known in (code, code.partition("-")[0]):
            if known == settings.LANGUAGE_CODE or _has_catalogue(known):
                return known
    return settings.LANGUAGE_CODE


@cache
def _has_catalogue(code: str) -> bool:
    """Whether our own texts are there: pages half in English would be no help."""
    if code not in dict(settings.LANGUAGES):
        return False
    return any((path / to_locale(code) / "LC_MESSAGES" / "django.mo").exists() for path in settings.LOCALE_PATHS)
