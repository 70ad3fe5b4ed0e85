"""What the desk's own pages share: who may open them, and how the outcome of an operation is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from events.exceptions import DomainError
from events.recording import acting
from library.exceptions import Refusal
from rest.words import in_words

View = Callable[..., HttpResponse]


def for_staff_who_may(permission: str) -> Callable[[View], View]:
    """A page of the desk, for librarians with this permission; what is done on it is done by whoever is signed in."""

    def wrap(view: View) -> View:
        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            with acting(request.user.pk):
                return view(request, *args, **kwargs)

        return admin.site.admin_view(page)

    return wrap


def shown(request: HttpRequest, template: str, title: Any, **context: Any) -> TemplateResponse:
    """A page of the desk, with its menu."""
    return TemplateResponse(request, template, {**admin.site.each_context(request), "title": title, **context})


def attempt(request: HttpRequest, run: Callable[[], Any]) -> bool:
    """Run an operation and tell what it returns, or every reason why it was refused. Whether it was done."""
    try:
        told = run()
    except DomainError as refusal:
        reasons = refusal.reasons() if isinstance(refusal, Refusal) else [refusal]
        for reason in reasons:
            messages.error(request, in_words(reason.message))
        return False
    messages.success(request, in_words(told))
    return True
