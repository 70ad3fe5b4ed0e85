"""JSON web tokens: a short one for each request, and a longer one that is good for one renewal.

Both carry what the account's sessions carry, so that a new password, or ending all sign-ins, ends them too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from accounts.exceptions import LockedOut, TokenInvalid, WrongPassword
from accounts.lookups import account
from accounts.models import FailedSignIn, User
from accounts.passwords import require_acceptable
from events.operations import operation, require_transaction

T = TypeVar("T", bound=Token)

SIGN_IN = "sign_in"  # the claim that must be the account's session hash


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
        token[SIGN_IN] = user.get_session_auth_hash()
        OutstandingToken.objects.create(
            user=user, jti=token["jti"], created_at=token.current_time, expires_at=datetime_from_epoch(token["exp"])
        )
        return token


def sign_in(request: HttpRequest, *, username: str, password: str) -> Pair:
    """A pair of tokens for who knows the password. Raises WrongPassword, and LockedOut after too many of those."""
    user = checked_password(request, username=username, password=password)
    try:
        return _signed_in(user)
    except TokenInvalid as error:  # the account went, or changed, between the two
        raise WrongPassword from error


def checked_password(request: HttpRequest, *, username: str, password: str) -> User:
    """The account, if that is its password. What is wrong is counted, also when it was somebody's old password."""
    user = authenticate(request, username=User.normalize_username(username), password=password)
    if getattr(request, "axes_locked_out", False):
        raise LockedOut
    if not isinstance(user, User):
        raise WrongPassword
    return user


@operation
def pair_for(user: User) -> Pair:
    """New tokens for this account. Raises TokenInvalid when it is gone."""
    return _pair(_locked(user))


@operation
def _signed_in(user: User) -> Pair:
    pair = _pair(_locked(user))
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    return pair


@operation
def renew(*, refresh: str) -> Pair:
    """The next pair, and the end of this one. Raises TokenInvalid, also for the second of two at the same moment."""
    token = valid(RefreshToken, refresh)
    user = _locked(account_of(token))
    _use_up(token)
    return _pair(user)


@operation
def end(*, refresh: str) -> None:
    """Make a refresh token useless. Raises TokenInvalid when it is already."""
    token = valid(RefreshToken, refresh)
    _locked(account_of(token))
    _use_up(token)


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
    user = _locked(user)
    require_acceptable(password, user, field="new")
    user.set_password(password)
    user.save(update_fields=["password"])
    return _pair(user)


def end_sign_ins(user: User) -> None:
    """End every token and session of an account at once. Its API keys are ended by revoking them."""
    with transaction.atomic():
        now = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        now.sign_ins_ended += 1
        now.save(update_fields=["sign_ins_ended"])


def forget_account(user: User) -> None:
    """Remove an account with its tokens, its keys, and its failed sign-ins. Inside an operation."""
    require_transaction()
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # whoever signs in or renews just now comes first
    OutstandingToken.objects.filter(user=user).delete()
    LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(User), object_id=user.pk).delete()
    names = Q(username__iexact=user.username) | (Q(username__iexact=user.email) if user.email else Q())
    FailedSignIn.objects.filter(names).delete()
    user.delete()


def valid(kind: type[T], text: str) -> T:
    """A token of this kind that was signed here and has not expired or been used up. Raises TokenInvalid.

    Signed with SECRET_KEY, or with one of SECRET_KEY_FALLBACKS.
    """
    try:
        return kind(text)  # type: ignore[arg-type]  # the parameter is annotated as a Token there
    except TokenError as error:
        for earlier in _signed_earlier(kind):
            with suppress(TokenError):
                return earlier(text)  # type: ignore[arg-type]  # likewise
        raise TokenInvalid from error


def _signed_earlier(kind: type[T]) -> list[type[T]]:
    """This kind of token as it was when SECRET_KEY was another: Simple JWT itself knows one key only."""
    return [
        type(kind.__name__, (kind,), {"_token_backend": TokenBackend(api_settings.ALGORITHM, key)})
        for key in settings.EARLIER_SIGNING_KEYS
    ]


def account_of(token: Token) -> User:
    """Whose token it is. Raises TokenInvalid when the account is gone or disabled, or has another password now."""
    claimed = str(token.get(api_settings.USER_ID_CLAIM))
    user = account(int(claimed)) if claimed.isdecimal() and len(claimed) < 19 else None
    if user is None or not user.is_active:
        raise TokenInvalid
    carried = str(token.get(SIGN_IN))
    if not constant_time_compare(carried, user.get_session_auth_hash()) and not any(
        constant_time_compare(carried, earlier) for earlier in user.get_session_auth_fallback_hash()
    ):
        raise TokenInvalid
    return user


def _locked(user: User) -> User:
    """The account as it is, until the operation ends. Raises TokenInvalid when it is gone or has other sign-ins now."""
    now = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True).first()
    if now is None or now.get_session_auth_hash() != user.get_session_auth_hash():
        raise TokenInvalid
    return now


def _pair(user: User) -> Pair:
    token = _Numbered.for_user(user)
    return Pair(access=str(token.access_token), refresh=str(token))


def _use_up(token: RefreshToken) -> None:
    kept = OutstandingToken.objects.filter(jti=token[api_settings.JTI_CLAIM]).first()
    if kept is None:  # forgotten with its account
        raise TokenInvalid
    _, is_first = BlacklistedToken.objects.get_or_create(token=kept)
    if not is_first:
        raise TokenInvalid
