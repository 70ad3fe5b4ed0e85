"""Members over HTTP, with their loans and history."""

from __future__ import annotations

from typing import Any

from django.db.models import F, QuerySet
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from circulation import members
from circulation.api.loans import LOAN_ORDERINGS, loan_page
from circulation.api.serializers import LoanOut
from circulation.models import Loan
from library.api.members import enrolled, member_answer
from library.api.operations import OperationView
from library.api.serializers import MemberInput, MemberOut
from library.exceptions import MemberNotFound
from library.models import Member
from library.search import members_like
from library.services import branch_named, enrol, member_category_named
from rest import replica
from rest.answers import Answer
from rest.pagination import Orderings, Page, PageRequest, page_data, paginate
from rest.schema import Parameters, endpoint, page_of, page_query
from rest.serializers import written

ORDERINGS: Orderings = {"id": F("pk"), "name": F("last_name_folded"), "card_number": F("card_number")}
# What PUT gives to fields that are left out.
EMPTY: dict[str, Any] = {"first_name": "", "last_name": "", "email": "", "expires_on": None, "blocked_reason": ""}


class MemberQuery(serializers.Serializer[Any]):
    search = serializers.CharField(
        required=False,
        max_length=200,
        help_text="A card number, an e-mail address, or beginnings of the first and last name.",
    )


def _resolved(fields: dict[str, Any]) -> dict[str, Any]:
    """The names of branch and category as the rows that they name. Raises when there is none."""
    if "branch" in fields:
        fields["branch"] = branch_named(fields["branch"])
    if "category" in fields:
        fields["category"] = member_category_named(fields["category"])
    return fields


MEMBERS_QUERY: list[Parameters] = [MemberQuery, *page_query(ORDERINGS, "id")]


def members_found(view: OperationView, members: QuerySet[Member]) -> Page[Member]:
    """A page of these members, narrowed by `?search=`."""
    if text := view.query(MemberQuery).get("search"):
        members = members_like(members, text)
    rows = members.select_related("category", "branch")
    asked = PageRequest.of(view.request, ORDERINGS, "id")
    return replica.read(lambda: paginate(rows, asked, ORDERINGS))


class MemberList(OperationView):
    tag = "members"

    @endpoint(
        name="members_list",
        summary="Search and list members",
        query=MEMBERS_QUERY,
        answers={200: page_of(MemberOut)},
    )
    def get(self, request: Request) -> Answer:
        page = members_found(self, Member.objects.all())
        results = written(MemberOut, page.rows)
        return Answer(page_data(request, page.next, page.previous, page.count, results))

    @endpoint(
        name="members_create",
        summary="Enrol a member",
        description="A name is enough. Without a card number one is made.",
        request=MemberInput,
        answers={201: MemberOut},
        headers={201: ["Location", "ETag"]},
        refusals=["DUPLICATE"],
        keyed=True,
        example={"name": "Ada Lovelace", "email": "ada@example.org"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        fields = _resolved(self.parsed(MemberInput))
        return self.perform(enrol, enrolled, would="enrol", at=timezone.now(), **fields)


class MemberDetail(OperationView):
    tag = "members"

    @endpoint(name="members_read", summary="One member", answers={200: MemberOut}, refusals=["MEMBER_NOT_FOUND"])
    def get(self, request: Request, member_id: int) -> Answer:
        self.require_visible(member_id)
        member = Member.objects.select_related("category", "branch").filter(pk=member_id).first()
        if member is None:
            raise MemberNotFound(member_id)
        return member_answer(member)

    @endpoint(
        name="members_replace",
        summary="Replace a member's data",
        description="Fields that are left out are emptied; the card number, branch and category stay.",
        request=MemberInput,
        answers={200: MemberOut},
        headers={200: ["ETag"]},
        refusals=["MEMBER_NOT_FOUND", "DUPLICATE"],
        versioned=True,
        example={"name": "Ada King", "email": "ada@example.org"},
    )
    def put(self, request: Request, member_id: int) -> Answer:
        return self._edited(member_id, EMPTY | self.parsed(MemberInput))

    @endpoint(
        name="members_update",
        summary="Change a member's data",
        description="Only the fields that are given. A `blocked_reason` blocks, an empty one unblocks.",
        request=MemberInput,
        answers={200: MemberOut},
        headers={200: ["ETag"]},
        refusals=["MEMBER_NOT_FOUND", "DUPLICATE"],
        versioned=True,
        example={"blocked_reason": "Card reported stolen"},
    )
    def patch(self, request: Request, member_id: int) -> Answer:
        return self._edited(member_id, self.parsed(MemberInput, partial=True))

    def _edited(self, member_id: int, fields: dict[str, Any]) -> Answer:
        member = self.change(
            members.edit,
            member_id=member_id,
            fields=_resolved(fields),
            at=timezone.now(),
            expected=self.expected_revision(),
        )
        return member_answer(member, f"{member.name} saved.")

    @endpoint(
        name="members_delete",
        summary="Delete a member",
        description="Removes the personal data. What was borrowed stays in the counts, without a name.",
        answers={200: None},
        refusals=["MEMBER_NOT_FOUND", "MEMBER_HAS_OPEN_LOANS", "RESERVATION_EXISTS", "BUSY"],
        versioned=True,
    )
    def delete(self, request: Request, member_id: int) -> Answer:
        self.change(members.delete, member_id=member_id, at=timezone.now(), expected=self.expected_revision())
        return Answer(None, f"Member {member_id} deleted.")


class OfMember(OperationView):
    """What belongs to one member."""

    tag = "members"

    def require(self, member_id: int) -> None:
        """Raise MemberNotFound if there is no such member for this caller."""
        self.require_visible(member_id)
        if not Member.objects.filter(pk=member_id).exists():
            raise MemberNotFound(member_id)


class MemberLoans(OfMember):
    @endpoint(
        name="members_loans",
        summary="What a member has on loan",
        query=page_query(LOAN_ORDERINGS, "due_at"),
        answers={200: page_of(LoanOut)},
        refusals=["MEMBER_NOT_FOUND"],
    )
    def get(self, request: Request, member_id: int) -> Answer:
        self.require(member_id)
        return Answer(loan_page(request, Loan.objects.active().filter(member=member_id), default="due_at"))


class MemberHistory(OfMember):
    @endpoint(
        name="members_history",
        summary="Everything a member ever borrowed, latest first",
        query=page_query(LOAN_ORDERINGS, "-id"),
        answers={200: page_of(LoanOut)},
        refusals=["MEMBER_NOT_FOUND"],
    )
    def get(self, request: Request, member_id: int) -> Answer:
        self.require(member_id)
        return Answer(loan_page(request, Loan.objects.filter(member=member_id), default="-id"))
