"""Members from files that bring their own ids: MemberID, MemberName.

MemberID becomes the member's id, so the id is the identity, as for titles: a member made here is marked with source
`import`, and one who has the id without the mark is somebody else. What follows the last space of the name is the
last name. A member who was deleted is not enrolled again: the id would tie another person to the past of the first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from circulation.imports.fields import HIGHEST_ID, Fields
from circulation.imports.formats.rows import Row, RowError
from circulation.imports.loading import Kind, Taken
from events.models import Event
from events.operations import operation
from library.bulk import create_members, keep_ids_free
from library.models import Member
from library.services import edit_member, main_branch, member_category_named, split_name

SOURCE = "import"
LONGEST_NAME = 150  # characters of the first, and of the last name, as in the model


@dataclass(frozen=True)
class MemberRow:
    row: Row
    key: int  # the MemberID
    first_name: str
    last_name: str
    notes: tuple[str, ...] = ()


class Members(Kind[MemberRow, Member | None]):
    table = "members"

    def parse(self, row: Row) -> MemberRow:
        fields = Fields(row, ("MemberID", "MemberName"))
        member_id = fields.whole_number("MemberID", highest=HIGHEST_ID)
        first, last = split_name(fields.text("MemberName", longest=2 * LONGEST_NAME + 1))
        if max(len(first), len(last)) > LONGEST_NAME:
            raise RowError(
                f"MemberName is too long: {LONGEST_NAME} characters are possible on each side of its last space."
            )
        return MemberRow(row, member_id, first, last)

    def in_order(self, records: Iterable[MemberRow]) -> Iterable[MemberRow]:
        """By ascending id, so that two imports at a time wait for each other rather than deadlock."""
        return sorted(records, key=lambda record: record.key)

    def shown(self, record: MemberRow) -> str:
        return f"MemberID {record.key}"

    def known(self, records: Sequence[MemberRow]) -> Mapping[Hashable, Member | None]:
        """None for a member who was deleted."""
        ids = [record.key for record in records]
        return {**dict.fromkeys(_deleted(ids)), **Member.objects.in_bulk(ids)}

    def add(self, records: Sequence[MemberRow], *, at: datetime) -> Sequence[str]:
        keep_ids_free(Member, up_to=max(record.key for record in records))
        _add(records, at=at)
        return [""] * len(records)

    def revise(self, record: MemberRow, member: Member | None, *, at: datetime) -> Taken:
        if member is None:
            raise RowError(f"MemberID {record.key} belonged to a member who was deleted. Give this person another id.")
        if (member.source, member.source_id) != (SOURCE, str(record.key)):
            raise RowError(f"MemberID {record.key} already belongs to {member.name}, whom no import enrolled.")
        names = {"first_name": record.first_name, "last_name": record.last_name}
        if all(getattr(member, name) == value for name, value in names.items()):
            return Taken("unchanged")
        edit_member(member_id=record.key, fields=names, at=at)
        return Taken("changed")


def _deleted(ids: Sequence[int]) -> set[int]:
    events = Event.objects.filter(kind=Event.Kind.MEMBER_DELETED, member_id__in=ids).order_by()
    return {member_id for member_id in events.values_list("member_id", flat=True) if member_id is not None}


@operation
def _add(records: Sequence[MemberRow], *, at: datetime) -> None:
    category, branch = member_category_named(None), main_branch()
    members = [
        Member(
            pk=record.key,
            first_name=record.first_name,
            last_name=record.last_name,
            category=category,
            branch=branch,
            source=SOURCE,
            source_id=str(record.key),
        )
        for record in records
    ]
    create_members(members, at=at)
