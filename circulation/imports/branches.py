"""Branches and member categories by their names. A name that is new makes one."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import IntegrityError, transaction

from circulation.imports.fields import words
from library.models import Branch, MemberCategory
from library.services import main_branch, member_category_named

_MODELS = Branch | MemberCategory


class Branches:
    """Looked up once, and made when a file names one that is not there yet. Not made in a rehearsal."""

    def __init__(self, *, rehearsing: bool = False) -> None:
        self._rehearsing = rehearsing
        self._known: dict[str, Branch] = {}

    @cached_property
    def main(self) -> Branch:
        return main_branch()

    def __getitem__(self, name: Any) -> Branch:
        """The branch of this name, in any case; the main one without a name. Raises RowError."""
        if name is None or not str(name).strip():
            return self.main
        wanted = words("branch", name, longest=120).strip()
        branch = self._known.get(wanted.casefold()) or Branch.objects.filter(name__iexact=wanted).first()
        if branch is None:
            branch = self.main if self._rehearsing else _made(Branch, wanted)
        self._known[wanted.casefold()] = branch
        return branch


class Categories:
    """As for branches."""

    def __init__(self, *, rehearsing: bool = False) -> None:
        self._rehearsing = rehearsing
        self._known: dict[str, MemberCategory] = {}

    @cached_property
    def standard(self) -> MemberCategory:
        return member_category_named(None)

    def __getitem__(self, name: Any) -> MemberCategory:
        """The category of this name, in any case; the standard one without a name. Raises RowError."""
        if name is None or not str(name).strip():
            return self.standard
        wanted = words("category", name, longest=60).strip()
        category = self._known.get(wanted.casefold()) or MemberCategory.objects.filter(name__iexact=wanted).first()
        if category is None:
            category = self.standard if self._rehearsing else _made(MemberCategory, wanted)
        self._known[wanted.casefold()] = category
        return category


def _made(model: type[Any], name: str) -> Any:
    try:
        with transaction.atomic():
            return model.objects.create(name=name)
    except IntegrityError:  # somebody else was faster
        return model.objects.get(name__iexact=name)
