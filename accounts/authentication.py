"""From a request's credential to an account. One that is presented and no good is refused, never overlooked."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import AccessToken

from accounts import keys, tokens
from accounts.exceptions import TokenInvalid
from accounts.models import APIKey, User

KEY_HEADER = "X-API-Key"


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer <access token>`."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        if request.headers.get(KEY_HEADER) is not None:
            raise AuthenticationFailed("Present a token or an API key, not both.")
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer":
            raise AuthenticationFailed("Only “Authorization: Bearer <access token>” is understood here.")
        try:
            token = tokens.valid(AccessToken, text.strip())
            return tokens.account_of(token), token
        except TokenInvalid as error:
            raise AuthenticationFailed(error.message) from error

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class KeyAuthentication(authentication.BaseAuthentication):
    """`X-API-Key: <key>`."""

    def authenticate(self, request: Request) -> tuple[User, APIKey] | None:
        text = request.headers.get(KEY_HEADER)
        if text is None:
            return None
        key = keys.recognised(text)
        if key is None:
            raise AuthenticationFailed("This API key is not valid, or no longer.")
        return key.owner, key


class SessionAuthentication(authentication.SessionAuthentication):
    """Signed in through the admin. Without the cookie nobody is, and no session needs to be made to find that out."""

    def authenticate(self, request: Request) -> Any:
        return super().authenticate(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
