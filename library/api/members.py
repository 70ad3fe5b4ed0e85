"""How a member is answered, whoever asked."""

from __future__ import annotations

from typing import Any

from library.api.serializers import MemberOut
from library.models import Member
from library.services import member_revision
from rest.answers import Answer, etag
from rest.serializers import shown


def member_answer(member: Member, message: str = "", **kwargs: Any) -> Answer:
    """A member, with the ETag that a change of them may name."""
    data = shown(MemberOut, member)
    headers = {"ETag": etag(member_revision(member), data), **kwargs.pop("headers", {})}
    return Answer(data, message, headers=headers, **kwargs)


def enrolled(member: Member) -> Answer:
    """What an enrolment answers, at the desk and to who comes by themselves."""
    message = f"{member.name} enrolled with card {member.card_number}."
    return member_answer(member, message, status=201, headers={"Location": f"/api/members/{member.pk}/"})
