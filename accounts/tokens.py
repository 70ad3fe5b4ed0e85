"""JSON web tokens: a short one for each request, and a longer one that is good for one renewal.

Both carry a digest of the password's hash, so that a new password ends them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import aware_utcnow, datetime_from_epoch, get_md5_hash_password

from accounts.exceptions import LockedOut, TokenInvalid, WrongPassword
from accounts.lookups import account
from accounts.models import FailedSignIn, User
from accounts.passwords import require_acceptable
from events.operations import operation, require_transaction

T = TypeVar("T", bound=Token)


@dataclass(frozen=True)
class Pair:
    """`access` goes with every request; `refresh` gets the next pair, once."""

    access: str
    refresh: str


class _Numbered(RefreshToken):
    """A refresh token of which only the number is kept: who copies the database cannot sign in with what it holds."""

    @classmethod
    def for_user(cls, user: Any) -> _Numbered:
        token = cls()
        token[api_settings.USER_ID_CLAIM] = str(user.pk)
        token[api_settings.REVOKE_TOKEN_CLAIM] = get_md5_hash_password(user.password)
        OutstandingToken.objects.create(
            user=user, jti=token["jti"], created_at=token.current_time, expires_at=datetime_from_epoch(token["exp"])
        )
        return token


def sign_in(request: HttpRequest, *, username: str, password: str) -> Pair:
    """A pair of tokens for who knows the password. Raises WrongPassword, and LockedOut after too many of those."""
    user = checked_password(request, username=username, password=password)
    user_logged_in.send(User, request=request, user=user)
    return pair_for(user)


def checked_password(request: HttpRequest, *, username: str, password: str) -> User:
    """The account, if that is its password. What is wrong is counted, also when it was somebody's old password."""
    user = authenticate(request, username=username, password=password)
    if getattr(request, "axes_locked_out", False):
        raise LockedOut
    if not isinstance(user, User):
        raise WrongPassword
    return user


@operation
def pair_for(user: User) -> Pair:
    """New tokens for this account."""
    return _pair(user)


@operation
def renew(*, refresh: str) -> Pair:
    """The next pair, and the end of this one. Raises TokenInvalid, also for the second of two at the same moment."""
    token = valid(RefreshToken, refresh)
    user = account_of(token)
    _use_up(token)
    return _pair(user)


@operation
def end(*, refresh: str) -> None:
    """Make a refresh token useless. Raises TokenInvalid when it is already."""
    _use_up(valid(RefreshToken, refresh))


def check(text: str) -> None:
    """Raise TokenInvalid unless this token of either kind would be accepted now."""
    try:
        account_of(valid(AccessToken, text))
    except TokenInvalid:
        account_of(valid(RefreshToken, text))


@operation
def change_password(user: User, *, password: str) -> Pair:
    """Set a new password, which ends every session and token of the account, and give new tokens.

    Raises PasswordRefused.
    """
    require_acceptable(password, user, field="new")
    user.set_password(password)
    user.save(update_fields=["password"])
    return _pair(user)


@operation
def end_all(user: User) -> int:
    """End every refresh token of an account. Access tokens live on for the few minutes that they have."""
    alive = OutstandingToken.objects.filter(user=user, expires_at__gt=aware_utcnow(), blacklistedtoken=None)
    return len(BlacklistedToken.objects.bulk_create([BlacklistedToken(token=token) for token in alive]))


def forget_account(user: User) -> None:
    """Remove an account with its tokens, its keys, and its failed sign-ins. Inside an operation."""
    require_transaction()
    OutstandingToken.objects.filter(user=user).delete()
    LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=user.pk).delete()
    FailedSignIn.objects.filter(username=user.username).delete()
    user.delete()


def valid(kind: type[T], text: str) -> T:
    """A token of this kind that was signed here and has not expired or been used up. Raises TokenInvalid."""
    try:
        return kind(text)  # type: ignore[arg-type]  # the parameter is annotated as a Token there
    except TokenError as error:
        raise TokenInvalid from error


def account_of(token: Token) -> User:
    """Whose token it is. Raises TokenInvalid when the account is gone or disabled, or has another password now."""
    claimed = str(token.get(api_settings.USER_ID_CLAIM))
    user = account(int(claimed)) if claimed.isdecimal() and len(claimed) < 19 else None
    if user is None or not user.is_active:
        raise TokenInvalid
    of_password = str(token.get(api_settings.REVOKE_TOKEN_CLAIM))
    if not constant_time_compare(of_password, get_md5_hash_password(user.password)):
        raise TokenInvalid
    return user


def _pair(user: User) -> Pair:
    token = _Numbered.for_user(user)
    return Pair(access=str(token.access_token), refresh=str(token))


def _use_up(token: RefreshToken) -> None:
    used: Any = token.blacklist()  # its annotation forgets what get_or_create returns
    _, is_first = used
    if not is_first:
        raise TokenInvalid
