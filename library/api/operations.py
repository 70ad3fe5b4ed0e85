"""From a request to one operation: who acts, under which key, for real or as a rehearsal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from accounts.callers import Caller, caller_of
from events.operations import Bytes, Key, Operation
from events.recording import acting
from library.exceptions import NO_OVERRIDE, MemberNotFound, Refusal
from library.models import Member
from rest.answers import Answer
from rest.views import DeskView

P = ParamSpec("P")
R = TypeVar("R")

# A structured-field string in quotes, or the bare text that most clients send.
_KEY = re.compile(r'"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?)')


class InvalidKey(ValidationError):
    """The Idempotency-Key header is unusable."""

    default_code = "IDEMPOTENCY_KEY_INVALID"

    def __init__(self) -> None:
        super().__init__("An Idempotency-Key is 1 to 255 printable ASCII characters, quoted or bare.")


class OperationView(DeskView):
    """A view whose changes are operations, and whose members see their own data only."""

    def parsed(self, serializer: type[Serializer[Any]], **kwargs: Any) -> dict[str, Any]:
        asked = super().parsed(serializer, **kwargs)
        if asked.get("override", NO_OVERRIDE) != NO_OVERRIDE and not self.caller.is_staff:
            raise PermissionDenied("Only staff may override a rule.")
        return asked

    @cached_property
    def caller(self) -> Caller:
        return caller_of(self.request)

    @cached_property
    def only_member(self) -> int | None:
        """The one member whose data there is for this caller, None for staff, who see everybody's."""
        if self.caller.is_staff:
            return None
        return self.own_member

    @cached_property
    def own_member(self) -> int:
        """The member that the caller's account belongs to. Raises PermissionDenied when it belongs to none."""
        own = Member.objects.filter(user=self.caller.user).values_list("pk", flat=True).first()
        if own is None:
            raise PermissionDenied("Your account does not belong to a member yet. The desk can put that right.")
        return own

    def require_visible(self, member_id: int) -> None:
        """Raise MemberNotFound for anybody but oneself, whether there is such a member or not. Staff see everybody."""
        if self.only_member not in (None, member_id):
            raise MemberNotFound(member_id)

    def for_member(self, asked: dict[str, Any], *, named: str = "member_id") -> dict[str, Any]:
        """What was asked, with the member it is for: oneself unless `named`. Staff must name somebody."""
        if "member_id" in asked:
            self.require_visible(asked["member_id"])
            return asked
        if self.only_member is None:
            raise ValidationError({named: ["This field is required."]}, code="required")
        return asked | {"member_id": self.only_member}

    def fingerprinted(self) -> bytes:
        """What tells the body of this request from another one under the same Idempotency-Key."""
        return self.request._request.body

    def change(self, operation: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run an operation that cannot be rehearsed: a PUT, PATCH or DELETE."""
        self.require_earnest()
        with acting(self.request.user.pk):
            return operation(*args, **kwargs)

    def perform(
        self,
        operation: Operation[..., R],
        answer: Callable[[R], Answer],
        *,
        would: Callable[[R], str] | str,
        **kwargs: Any,
    ) -> HttpResponseBase:
        """Run a POST: once per Idempotency-Key if there is one, or only as if with `?dry_run=true`.

        `would` names for a rehearsal what would happen.
        """
        with acting(self.request.user.pk):
            # Must make sense, also where it is not needed.
            key = idempotency_key(self.request, body=self.fingerprinted())
            if self.is_dry_run:
                return self._rehearsed(operation, would, kwargs)
            if key is None:
                return answer(operation(**kwargs))
            stored = operation.answered(key, lambda result: self._written(answer(result)), **kwargs)
        response = HttpResponse(stored.body, status=stored.status, headers=stored.headers)
        if stored.replayed:
            response["Idempotency-Replayed"] = "true"
        return response

    def _rehearsed(
        self, operation: Operation[..., R], would: Callable[[R], str] | str, kwargs: dict[str, Any]
    ) -> Answer:
        try:
            result = operation.rehearse(**kwargs)
        except Refusal as refusal:
            reasons = [reason.as_dict() for reason in refusal.reasons()]
            return Answer({"would": "refuse", "refusals": reasons}, "This would be refused.")
        return Answer(
            {"would": would if isinstance(would, str) else would(result), "refusals": []}, "This would succeed."
        )

    def _written(self, answer: Answer) -> Bytes:
        """The answer as bytes, made inside the operation so that it is committed with it."""
        final = self.finalize_response(self.request, answer)
        assert isinstance(final, Answer)
        final.render()
        return Bytes(final.status_code, final.content, dict(final.items()))


def idempotency_key(request: Request, *, part: str = "", body: bytes | None = None) -> Key | None:
    """The key of a request, None without the header. `part` tells the parts of a batch apart. Raises InvalidKey."""
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return None
    matched = _KEY.fullmatch(header)
    if matched is None:
        raise InvalidKey
    key: str = matched[1] or matched[2]
    if part:  # hashed, so that it neither grows too long nor equals a key that somebody sends as it is
        key = hashlib.sha256(key.encode()).hexdigest() + part
    # What staff were told is not repeated to somebody who is none any more.
    caller = caller_of(request)
    request_line = f"{request.method}\0{request.path}\0{request.META.get('QUERY_STRING', '')}\0{part}\0{caller.role}\0"
    sent = request._request.body if body is None else body
    fingerprint = hashlib.sha256(request_line.encode() + sent).hexdigest()
    return Key(caller.name, key, fingerprint)
