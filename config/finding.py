"""One field that finds anything: a barcode, a card, an ISBN, words of a title, a name, or a page of the menu."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from library import isbn
from library.admin import titles_like
from library.models import Book, Copy, Member
from library.search import members_like

SHOWN = 8  # of each kind
LONGEST = 200  # characters of what is looked for


@dataclass(frozen=True)
class Found:
    title: str
    description: str
    link: str
    icon: str
    is_exact: bool = False  # it can only be this one


def find(request: HttpRequest, text: str) -> list[Found]:
    """What is meant by a text, of what this person may see. What has this very number comes first."""
    text = text.strip()[:LONGEST]
    if not text or "\x00" in text:
        return []
    exact = list(_by_number(request, text))
    return exact or [*_of_menu(request, text), *_by_words(request, text)]


def _by_number(request: HttpRequest, text: str) -> Iterator[Found]:
    if _may_see(request, Copy):
        for copy in Copy.objects.filter(barcode=text).select_related("book"):
            yield _found(copy, copy.barcode, _("Copy of %(title)s") % {"title": copy.book.title}, "barcode", True)
    if _may_see(request, Member):
        for member in Member.objects.filter(card_number=text):
            yield _found(member, member.name, _("Member %(card)s") % {"card": member.card_number}, "badge", True)
    if _may_see(request, Book):
        with suppress(ValueError):
            for book in _first(Book.objects.filter(isbn=isbn.normalised(text))):
                yield _found(book, book.title, book.authors or _("Title"), "menu_book", True)


def _by_words(request: HttpRequest, text: str) -> Iterator[Found]:
    if _may_see(request, Book):
        for book in _first(titles_like(Book.objects.filter(withdrawn_at=None), text)):
            yield _found(book, book.title, book.authors or _("Title"), "menu_book")
    if _may_see(request, Member):
        for member in _first(members_like(Member.objects.all(), text)):
            yield _found(member, member.name, _("Member %(card)s") % {"card": member.card_number}, "badge")


def _of_menu(request: HttpRequest, text: str) -> Iterator[Found]:
    site: Any = admin.site
    for group in site.get_sidebar_list(request):
        for item in group["items"]:
            if item["has_permission"] and text.casefold() in str(item["title"]).casefold():
                yield Found(str(item["title"]), _("Page"), str(item["link"]), item["icon"])


def _first(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by("pk")[:SHOWN]


def _may_see(request: HttpRequest, model: Any) -> bool:
    return bool(admin.site.get_model_admin(model).has_view_permission(request))


def _found(row: Any, title: str, description: str, icon: str, is_exact: bool = False) -> Found:
    link = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return Found(title, description, link, icon, is_exact)
