"""Lending as most tests of check-out want it."""

from circulation.services import Lent, check_out
from tests.factories import NOW


def lend(member, book=None, **how) -> Lent:
    result = check_out(member_id=member.pk, book_id=book.pk if book else None, at=NOW, **how)
    assert isinstance(result, Lent)
    return result
