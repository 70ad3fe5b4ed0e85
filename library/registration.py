"""An account and its member at once: for people who come by themselves."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from accounts.passwords import require_acceptable
from events.operations import operation
from library.models import Member
from library.services import new_member


@operation
def register(
    *, username: str, password: str, email: str, first_name: str = "", last_name: str = "", at: datetime
) -> Member:
    """A new account of role member, and the member it belongs to, who without a name is called as they sign in.

    Raises PasswordRefused, UsernameTaken, and Duplicate when a member has this e-mail address: that is for the desk to
    sort out, for whoever writes somebody's address need not be they.
    """
    user = User(username=User.normalize_username(username), email=email, first_name=first_name, last_name=last_name)
    require_acceptable(password, user, field="password")
    user.set_password(password)
    user.save(force_insert=True)
    named = first_name or last_name
    return new_member(at=at, user=user, email=email, first_name=first_name if named else username, last_name=last_name)
