"""Signing in, staying signed in, signing out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from accounts import tokens
from accounts.exceptions import WrongPassword
from accounts.tokens import Pair
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import StrictSerializer, Text
from rest.views import DeskView

ACCESS, REFRESH = "eyJhbGciOiJIUzI1NiJ9.ahead.signed", "eyJhbGciOiJIUzI1NiJ9.later.signed"  # as examples


class SignInInput(StrictSerializer):
    username = Text(max_length=150)
    password = Text(max_length=1000)


class RefreshInput(StrictSerializer):
    refresh = Text(max_length=4000)


class TokenInput(StrictSerializer):
    token = Text(max_length=4000)


class PairOut(serializers.Serializer[Pair]):
    access = serializers.CharField(help_text="Goes with every request: `Authorization: Bearer <access>`.")
    refresh = serializers.CharField(help_text="Gets the next pair, once.")


class PasswordInput(StrictSerializer):
    current = Text(max_length=1000)
    new = Text(max_length=1000)


def _pair(pair: Pair, message: str) -> Answer:
    return Answer({"access": pair.access, "refresh": pair.refresh}, message)


class SignIn(DeskView):
    tag = "accounts"

    @endpoint(
        name="sign_in",
        summary="Sign in",
        description="After ten wrong passwords an account is locked for a quarter of an hour.",
        request=SignInInput,
        answers={200: PairOut},
        refusals=["NOT_AUTHENTICATED"],
        example={"username": "ada", "password": "correct horse battery staple"},
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        asked = self.parsed(SignInInput)
        return _pair(tokens.sign_in(request._request, **asked), f"Signed in as {asked['username']}.")


class Refresh(DeskView):
    tag = "accounts"

    @endpoint(
        name="token_refresh",
        summary="Stay signed in",
        description="A refresh token is good for one new pair.",
        request=RefreshInput,
        example={"refresh": REFRESH},
        answers={200: PairOut},
        refusals=["TOKEN_INVALID"],
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        return _pair(tokens.renew(**self.parsed(RefreshInput)), "Here are the next two.")


class Verify(DeskView):
    tag = "accounts"

    @endpoint(
        name="token_verify",
        summary="Ask whether a token would be accepted",
        request=TokenInput,
        example={"token": ACCESS},
        answers={200: None},
        refusals=["TOKEN_INVALID"],
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        tokens.check(self.parsed(TokenInput)["token"])
        return Answer(None, "This token is valid.")


class Blacklist(DeskView):
    tag = "accounts"

    @endpoint(
        name="sign_out",
        summary="Sign out",
        description="Ends a refresh token. The access token that came with it ends by itself within minutes.",
        request=RefreshInput,
        example={"refresh": REFRESH},
        answers={200: None},
        refusals=["TOKEN_INVALID"],
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        tokens.end(**self.parsed(RefreshInput))
        return Answer(None, "Signed out.")


class Password(DeskView):
    tag = "accounts"

    @endpoint(
        name="me_password",
        summary="Change one's password",
        description="Ends every session and token of the account, and gives new ones. "
        "A wrong `current` counts as a wrong password does at sign-in.",
        request=PasswordInput,
        answers={200: PairOut},
        example={"current": "correct horse battery staple", "new": "a much better one, 4711"},
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        asked: dict[str, Any] = self.parsed(PasswordInput)
        username = request.user.get_username()
        try:
            user = tokens.checked_password(request._request, username=username, password=asked["current"])
        except WrongPassword as error:
            # No 401: clients would take it for an expired token, and renew what is valid.
            raise ValidationError({"current": ["This is not your password."]}, code="wrong_password") from error
        return _pair(tokens.change_password(user, password=asked["new"]), "Password changed.")
