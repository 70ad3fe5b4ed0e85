"""Branches with their time zones, and loan policies."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from django.core.exceptions import ValidationError

from circulation.imports import fields as values
from circulation.imports.branches import Branches, Categories
from circulation.imports.columns import BRANCH, POLICY, Columns
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import Kind, Taken
from events.operations import operation
from library.models import Branch, LoanPolicy, MemberCategory, validate_time_zone
from library.recorded import Recorded

_HIGHEST = {"loan_days": 3650, "shelf_days": 365}
_LOWEST = {"loan_days": 1}


@dataclass(frozen=True)
class BranchRecord:
    row: Row
    name: str
    set: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.name.casefold()


class BranchRows(Kind[BranchRecord, Branch]):
    table = "branches"

    def __init__(self, branches: Branches) -> None:
        self._branches = branches
        self._columns = Columns(BRANCH)

    def parse(self, row: Row) -> BranchRecord:
        given = self._columns[row]
        if "name" not in given:
            raise RowError("There is no name.")
        found: dict[str, Any] = {"time_zone": values.words("time_zone", given.get("time_zone", "UTC"), longest=64)}
        try:
            validate_time_zone(found["time_zone"])
        except ValidationError as error:
            raise RowError(error.message) from error
        if "closing_times" in given:
            found["closing_times"] = _closing_times(values.words("closing_times", given["closing_times"], longest=200))
        if "closed_on" in given:
            days = values.words("closed_on", given["closed_on"], longest=20_000).split()
            found["closed_on"] = [values.day("closed_on", day) for day in days]
        return BranchRecord(row, values.words("name", given["name"], longest=120).strip(), found)

    def shown(self, record: BranchRecord) -> str:
        return f"Branch {record.name}"

    def known(self, records: Sequence[BranchRecord]) -> Mapping[Hashable, Branch]:
        wanted = {record.key for record in records}
        return {branch.name.casefold(): branch for branch in Branch.objects.all() if branch.name.casefold() in wanted}

    def add(self, records: Sequence[BranchRecord], *, at: datetime) -> Sequence[str]:
        for record in records:
            _change(self._branches[record.name], record.set)  # makes it
        return [""] * len(records)

    def revise(self, record: BranchRecord, known: Branch, *, at: datetime) -> Taken:
        if all(getattr(known, name) == value for name, value in record.set.items()):
            return Taken("unchanged")
        _change(known, record.set)
        return Taken("changed")


def _closing_times(text: str) -> list[time | None]:
    """Seven times from Monday to Sunday, a hyphen for a day on which it does not open. Raises RowError."""
    words = text.split()
    try:
        times = [None if word == "-" else time.fromisoformat(word) for word in words]
    except ValueError:
        times = []
    if len(times) != 7 or not any(times) or any(closing and closing.tzinfo for closing in times):
        raise RowError("closing_times are seven times from Monday to Sunday, with a hyphen for a day that is closed.")
    return times


@dataclass(frozen=True)
class PolicyRecord:
    row: Row
    member_category: MemberCategory | None
    book_category: str
    terms: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> Hashable:
        return (self.member_category.pk if self.member_category else None, self.book_category)


class Policies(Kind[PolicyRecord, LoanPolicy]):
    table = "policies"

    def __init__(self, categories: Categories) -> None:
        self._categories = categories
        self._columns = Columns(POLICY)

    def parse(self, row: Row) -> PolicyRecord:
        given = self._columns[row]
        terms: dict[str, Any] = {
            name: values.whole_number(name, given[name], lowest=_LOWEST.get(name, 0), highest=_HIGHEST.get(name, 32767))
            for name in ("loan_days", "max_loans", "max_renewals", "max_reservations", "shelf_days")
            if name in given
        }
        if "lend_while_overdue" in given:
            terms["lend_while_overdue"] = values.yes_or_no("lend_while_overdue", given["lend_while_overdue"])
        category = given.get("member_category")
        return PolicyRecord(
            row,
            self._categories[category] if category is not None else None,
            values.words("book_category", given["book_category"], longest=50) if "book_category" in given else "",
            terms,
        )

    def shown(self, record: PolicyRecord) -> str:
        return f"The policy for {record.member_category or 'every member'}, {record.book_category or 'every title'}"

    def known(self, records: Sequence[PolicyRecord]) -> Mapping[Hashable, LoanPolicy]:
        return {(policy.member_category_id, policy.book_category): policy for policy in LoanPolicy.objects.all()}

    def add(self, records: Sequence[PolicyRecord], *, at: datetime) -> Sequence[str]:
        for record in records:
            _add(record)
        return [""] * len(records)

    def revise(self, record: PolicyRecord, known: LoanPolicy, *, at: datetime) -> Taken:
        wanted = {name: value for name, value in record.terms.items() if getattr(known, name) != value}
        if not wanted:
            return Taken("unchanged")
        _change(known, wanted)
        return Taken("changed")


@operation
def _add(record: PolicyRecord) -> None:
    LoanPolicy.objects.create(
        member_category=record.member_category, book_category=record.book_category, **record.terms
    )


@operation
def _change(row: Recorded, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()
