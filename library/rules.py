"""Rules about members that both the desk and the line ask."""

from datetime import date

from library.exceptions import MemberBlocked, MemberExpired, Refusal
from library.models import Member


def member_refusals(member: Member, *, today: date) -> list[Refusal]:
    """Why this member may borrow, renew or reserve nothing at all today, a day in the library's time zone."""
    reasons: list[Refusal] = []
    if member.blocked_reason:
        reasons.append(
            MemberBlocked(f"{member.name} is blocked: {member.blocked_reason}", reason=member.blocked_reason)
        )
    if member.has_expired(today):
        reasons.append(
            MemberExpired(
                f"{member.name}'s membership ended on {member.expires_on}.", expires_on=str(member.expires_on)
            )
        )
    return reasons
