"""People who come by themselves: with an account, or to be known at the desk."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request

from library.api.members import enrolled
from library.api.operations import OperationView
from library.api.serializers import MemberOut, NameInput
from library.registration import register
from library.services import enrol
from rest.answers import Answer
from rest.schema import endpoint
from rest.serializers import Text, shown


class EnrolmentInput(NameInput):
    email = serializers.EmailField(required=False, max_length=254)


class RegistrationInput(NameInput):
    needs_name = False

    username = Text(max_length=150, validators=[UnicodeUsernameValidator()])
    password = Text(max_length=1000)
    email = serializers.EmailField(max_length=254)


class RegisteredOut(serializers.Serializer[Any]):
    username = serializers.CharField()
    role = serializers.CharField()
    member = MemberOut()


class Register(OperationView):
    tag = "accounts"

    @endpoint(
        name="register",
        summary="Sign up",
        description="Makes an account and its member. Sign in with `/api/token` afterwards.",
        request=RegistrationInput,
        answers={201: RegisteredOut},
        headers={201: ["Location"]},
        refusals=["PERMISSION_DENIED", "DUPLICATE"],
        example={"username": "ada", "password": "correct horse battery staple", "email": "ada@example.org"},
    )
    def post(self, request: Request) -> Answer:
        member = self.change(register, at=timezone.now(), **self.parsed(RegistrationInput))
        assert member.user is not None
        data = {
            "username": member.user.get_username(),
            "role": member.user.role.label,
            "member": shown(MemberOut, member),
        }
        message = f"Welcome, {member.name}. Your card number is {member.card_number}."
        return Answer(data, message, status=201, headers={"Location": "/api/me/"})


class Enrol(OperationView):
    tag = "members"

    @endpoint(
        name="enrol",
        summary="Enrol oneself as a member",
        description="A name is enough. Who wants to sign in uses `/api/register`.",
        request=EnrolmentInput,
        answers={201: MemberOut},
        headers={201: ["Location", "ETag"]},
        refusals=["PERMISSION_DENIED", "DUPLICATE"],
        keyed=True,
        example={"email": "ada@example.org", "first_name": "Ada", "last_name": "Lovelace"},
    )
    def post(self, request: Request) -> HttpResponseBase:
        if not self.caller.is_staff:
            self.require_earnest()  # a rehearsal would tell anybody, without a trace, whose address is known here
        return self.perform(enrol, enrolled, would="enrol", at=timezone.now(), **self.parsed(EnrolmentInput))
