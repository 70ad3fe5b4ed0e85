"""Which loan policy decides, and why."""

from __future__ import annotations

from django.db.models import F, Q

from library.models import Book, LoanPolicy, Member


def candidates(member: Member, book: Book) -> list[LoanPolicy]:
    """Every policy that fits, most specific first: both kinds, the member's kind, the title's kind, neither."""
    # Only equal or empty values are left, so empty last is least specific last.
    return list(
        LoanPolicy.objects.filter(
            Q(member_category=None) | Q(member_category=member.category_id),
            Q(book_category="") | Q(book_category=book.category),
        ).order_by(F("member_category").asc(nulls_last=True), "-book_category")
    )


def policy_for(member: Member, book: Book) -> LoanPolicy:
    """The terms on which this member borrows this title. Without any policy in the table, the model's defaults."""
    return next(iter(candidates(member, book)), LoanPolicy())


def explain(member: Member, book: Book) -> str:
    """Which policy decides and why, in a sentence for staff."""
    policies = candidates(member, book)
    if not policies:
        return "No loan policy fits, so the built-in terms apply."
    chosen, *others = policies
    why = (
        "it is the only one that fits"
        if not others
        else f"it is more specific than {'; '.join(str(o) for o in others)}"
    )
    return f"The policy “{chosen}” decides: {why}."
