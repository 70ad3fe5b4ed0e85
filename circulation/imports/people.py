"""Members from other systems, and from the export of another Circdesk.

A member is recognised by source and id there; else by card number. What another run finds different in the file is
changed here, except in members who were recognised only by their card: those get only what they lack. A block comes
in with the member and is left alone afterwards: whoever lifts one at the desk means it. `circdesk_id` is kept as the
member's id.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Q

from circulation.imports import fields as values
from circulation.imports.branches import Branches, Categories
from circulation.imports.columns import MEMBER, Columns, listed
from circulation.imports.fields import HIGHEST_KEPT_ID
from circulation.imports.formats.rows import FileError, Row, RowError
from circulation.imports.identity import alike, identity, shown_id
from circulation.imports.loading import Kind, Taken
from circulation.imports.members import LONGEST_NAME
from events.models import Event
from events.operations import operation
from library.bulk import create_members, keep_ids_free
from library.lookups import imported_from, members_with_email
from library.models import Member
from library.services import edit_member, split_name

_NO_BLOCK = ("-", "none", "null", "n/a", "0.0", "nein", "non", "nee")
_NAMES = ("name", "last_name", "first_name")


@dataclass(frozen=True)
class MemberRecord:
    row: Row
    source: str
    source_id: str
    fields: Mapping[str, Any]
    id: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.source}\0{self.source_id}" if self.source_id else f"#{self.id}"

    @property
    def card_number(self) -> str:
        return str(self.fields.get("card_number", ""))


@dataclass(frozen=True)
class KnownMember:
    member: Member | None  # None: deleted
    is_ours: bool  # recognised by source and id, not by card


class People(Kind[MemberRecord, KnownMember]):
    table = "members"

    def __init__(
        self, *, source: str, branches: Branches, categories: Categories, named: Mapping[str, str] | None = None
    ) -> None:
        self.source, self._branches, self._categories = source, branches, categories
        self._columns = Columns(MEMBER, named)
        self.of_card: dict[str, int] = {}  # members who were recognised by their card, by key
        self.refused: set[str] = set()  # keys and cards

    def expect(self, names: tuple[str, ...]) -> Iterable[str]:
        self._columns.expect(names)
        if not self._columns.given(names) & set(_NAMES):
            raise FileError(
                f"has no column for the name. Its columns are {listed(names)}. "
                "Name one, under “Columns” or with --map: name=COLUMN"
            )
        if unused := self._columns.unused(names):
            yield f"Columns that are not used: {listed(unused)}."

    def turned_away(self, record: MemberRecord) -> None:
        self.refused |= {record.key, record.card_number} - {""}

    def parse(self, row: Row) -> MemberRecord:
        given = self._columns[row]
        notes: list[str] = []
        found = _names(given)
        if "card_number" in given:
            found["card_number"] = values.words("card_number", given["card_number"], longest=64).strip()
        if "email" in given:
            found["email"] = _email(given["email"])
        if "expires_on" in given:
            found["expires_on"] = values.day("expires_on", given["expires_on"])
        is_kept = "circdesk_id" in given
        if "blocked_reason" in given and (reason := _block(given["blocked_reason"], notes, is_kept=is_kept)):
            found["blocked_reason"] = reason
        if "category" in given:
            found["category"] = self._categories[given["category"]]
        if "branch" in given:
            found["branch"] = self._branches[given["branch"]]
        card = found.get("card_number")
        return MemberRecord(
            row,
            *identity(given, self.source, instead=(card,) if card else (*found.values(),)),
            found,
            id=values.whole_number("circdesk_id", given["circdesk_id"], lowest=1, highest=HIGHEST_KEPT_ID)
            if is_kept
            else None,
            notes=notes,
        )

    def shown(self, record: MemberRecord) -> str:
        return f"{_name(record)}{shown_id(record.card_number or record.source_id)}"

    def known(self, records: Sequence[MemberRecord]) -> Mapping[Hashable, KnownMember]:
        by_source = imported_from((r.source for r in records), (r.source_id for r in records))
        by_id = Q(pk__in=[r.id for r in records if r.id is not None])
        by_card = Q(card_number__in=[r.card_number for r in records if r.card_number])
        members = list(Member.objects.filter(by_source | by_id)) + list(Member.objects.filter(by_card))
        of_source = {(member.source, member.source_id): member for member in members if member.source_id}
        of_id = {member.pk: member for member in members}
        of_card = {member.card_number: member for member in members}
        deleted = _deleted([r.id for r in records if r.id is not None and r.id not in of_id])
        found: dict[Hashable, KnownMember] = {}
        for record in records:
            member = of_source.get((record.source, record.source_id))
            if member is None and record.id is not None:
                member = of_id.get(record.id)
            is_ours = member is not None
            if member is None and (member := of_card.get(record.card_number)) is not None:
                self.of_card[record.key] = member.pk
            if member is not None or record.id in deleted:
                found[record.key] = KnownMember(member, is_ours)
        return found

    def add(self, records: Sequence[MemberRecord], *, at: datetime) -> Sequence[str]:
        if ids := [record.id for record in records if record.id is not None]:
            keep_ids_free(Member, up_to=max(ids))
        for member in members_with_email(record.fields["email"] for record in records if "email" in record.fields):
            raise RowError(f"{member.email} is the e-mail address of {member} already.")
        defaults = {"category": self._categories.usual, "branch": self._branches.usual}
        members = [
            Member(
                pk=record.id, source=record.source, source_id=record.source_id, **{**defaults, **dict(record.fields)}
            )
            for record in records
        ]
        _add(members, at=at)
        return [""] * len(records)

    def revise(self, record: MemberRecord, known: KnownMember, *, at: datetime) -> Taken:
        member = known.member
        if member is None:
            raise RowError(f"circdesk_id {record.id} belonged to a member who was deleted. Leave the id out.")
        if record.id is not None and not _is_same(record, member):
            raise RowError(f"circdesk_id {record.id} already belongs to {member}, who is somebody else.")
        is_same_person = _is_same_person(record, member)
        if not known.is_ours and not is_same_person:
            raise RowError(f"Card {record.card_number} already belongs to {member.name}.")
        if not is_same_person and record.card_number != member.card_number:
            raise RowError(
                f"{record.source_id or record.id} of {record.source or 'this library'} is {member} here. "
                "If these are another system's: --source NAME"
            )
        wanted = {name: value for name, value in record.fields.items() if name != "blocked_reason"}
        note = ""
        if not known.is_ours:
            note = f"{member} has this card already: only what is missing is added."
            wanted = {name: value for name, value in wanted.items() if getattr(member, name) in ("", None)}
        wanted = {name: value for name, value in wanted.items() if getattr(member, name) != value}
        if wanted:
            edit_member(member_id=member.pk, fields=wanted, at=at)
        return Taken("changed" if wanted else "unchanged", note)


def _names(given: Mapping[str, Any]) -> dict[str, Any]:
    if "first_name" in given or "last_name" in given:
        parts = {name: given[name] for name in ("first_name", "last_name") if name in given}
        return {name: values.words(name, value, longest=LONGEST_NAME) for name, value in parts.items()}
    if "name" not in given:
        raise RowError("There is no name.")
    whole = values.words("name", given["name"], longest=2 * LONGEST_NAME + 1)
    last, comma, first = (part.strip() for part in whole.partition(","))
    if not comma or not first:
        first, last = split_name(whole)
    if max(len(first), len(last)) > LONGEST_NAME:
        raise RowError(f"name is too long: {LONGEST_NAME} characters are possible for the first and for the last name.")
    return {"first_name": first, "last_name": last}


def _email(value: Any) -> str:
    address = values.words("email", value, longest=254).strip()
    try:
        validate_email(address)
    except ValidationError as error:
        raise RowError(f"{address[:60]!r} is not an e-mail address.") from error
    return address


def _block(value: Any, notes: list[str], *, is_kept: bool) -> str:
    """Why somebody is blocked, empty if not. What another Circdesk wrote is taken word for word."""
    if not is_kept:
        if str(value).strip().lower() in _NO_BLOCK:
            return ""
        with suppress(RowError):
            return "Blocked in the system before this one." if values.yes_or_no("blocked", value) else ""
    return values.shortened("blocked_reason", value, notes, longest=300)


def _name(record: MemberRecord) -> str:
    return f"{record.fields.get('first_name', '')} {record.fields.get('last_name', '')}".strip()


def _is_same_person(record: MemberRecord, member: Member) -> bool:
    """Whether the names may be of one person: mended, or changed in one of its halves."""
    pairs = [(str(record.fields.get(name, "")), getattr(member, name)) for name in ("first_name", "last_name")]
    same_half = any(there and there.casefold() == here.casefold() for there, here in pairs)
    return same_half or alike(_name(record), member.name)


def _is_same(record: MemberRecord, member: Member) -> bool:
    if record.source_id and (record.source, record.source_id) == (member.source, member.source_id):
        return True
    # Cards are numbered like ids, so that two libraries have the same.
    return member.pk == record.id and not member.source and _is_same_person(record, member)


def _deleted(ids: Sequence[int]) -> set[int | None]:
    events = Event.objects.filter(kind=Event.Kind.MEMBER_DELETED, member_id__in=ids).order_by()
    return set(events.values_list("member_id", flat=True)) if ids else set()


@operation
def _add(members: Sequence[Member], *, at: datetime) -> None:
    create_members(members, at=at)
