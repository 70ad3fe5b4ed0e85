"""Branches and member categories by their names. A name that is new makes one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Manager, Model

from circulation.imports.fields import words
from library.models import Branch, MemberCategory
from library.services import main_branch, member_category_named

M = TypeVar("M", bound=Model)


class ByName(Generic[M]):
    """Looked up once, and made when a file names one that is not there yet."""

    def __init__(self, model: type[M], usual: Callable[[], M], *, longest: int) -> None:
        self._named: Manager[M] = model._default_manager
        self._what = str(model._meta.verbose_name)
        self._usual, self._longest = usual, longest
        self._known: dict[str, M] = {}

    @property
    def usual(self) -> M:
        """That of a record which names none."""
        return self._known.get("") or self._known.setdefault("", self._usual())

    def __getitem__(self, name: Any) -> M:
        """The one of this name, in any case; the usual one without a name. Raises RowError."""
        if name is None or not str(name).strip():
            return self.usual
        wanted = words(self._what, name, longest=self._longest).strip()
        key = wanted.casefold()
        if key not in self._known:
            self._known[key] = self._there(wanted) or self._made(wanted)
        return self._known[key]

    def _there(self, name: str) -> M | None:
        return self._named.filter(name__iexact=name).first()

    def _made(self, name: str) -> M:
        try:
            with transaction.atomic():
                return self._named.create(name=name)
        except IntegrityError:  # somebody else was faster
            return self._named.get(name__iexact=name)


Branches = ByName[Branch]
Categories = ByName[MemberCategory]


def branches() -> Branches:
    return ByName(Branch, main_branch, longest=120)


def categories() -> Categories:
    return ByName(MemberCategory, lambda: member_category_named(None), longest=60)
