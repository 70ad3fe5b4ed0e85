"""In which language a person reads the admin: the browser's, where there is a catalogue for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language, override, to_locale
from django.utils.translation.trans_real import language_code_re, parse_accept_lang_header

from rest.words import in_words


def reading(request: HttpRequest) -> override:
    """Inside, texts are in the language of whoever asks. Outside stays English: the API, mails, the log."""
    return override(_wanted(request.headers.get("Accept-Language", "")))


class DeskLanguageMiddleware:
    """What the API answers to a page of the desk is told in the reader's language: such a page sends a CSRF token.

    Programs are answered in English, whatever their headers say.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if "HTTP_X_CSRFTOKEN" in request.META and response.headers.get("Content-Type") == "application/json":
            with reading(request):
                if get_language() != settings.LANGUAGE_CODE:
                    response.content = json.dumps(_told(json.loads(response.content)), ensure_ascii=False).encode()
        return response


def _told(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            name: in_words(value) if name == "message" and isinstance(value, str) else _told(value)
            for name, value in node.items()
        }
    return [_told(one) for one in node] if isinstance(node, list) else node


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
