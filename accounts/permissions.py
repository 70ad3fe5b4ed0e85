"""The table of accounts/access.py, as the framework asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.access import Rule, rules_of
from accounts.callers import Caller, caller_of

if TYPE_CHECKING:
    from rest_framework.views import APIView  # loads this module itself, through the settings


class AsTheTableSays(BasePermission):
    """Lets in whom a row of the table lets in. A route without a row is open to nobody."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = caller_of(request)
        rules = rules_of(route_of(request._request), request.method or "")
        if not rules and request.method not in view.allowed_methods:
            # There is no such method here, which is told (405) to whoever may use the route.
            rules = rules_of(route_of(request._request), "OPTIONS")
        allowing = [rule for rule in rules if caller.may(rule)]
        if not allowing:
            raise _refusal(caller, rules)
        if not any(caller.serves_themselves(rule) for rule in allowing):
            raise PermissionDenied("Please come to the desk for this: here, members cannot do it by themselves.")
        return True


def route_of(request: HttpRequest) -> str:
    """The route that a request came by, as the table writes it."""
    return request.resolver_match.route if request.resolver_match else ""


def _refusal(caller: Caller, rules: list[Rule]) -> NotAuthenticated | PermissionDenied:
    if caller.user is None:
        return NotAuthenticated()
    if caller.key is None:
        return PermissionDenied()
    scopes = sorted({scope for rule in rules for scope in rule.scopes})
    if not scopes:
        return PermissionDenied("No API key may do this. Sign in.")
    return PermissionDenied(f"This API key is not good for this: it lacks the scope {' or '.join(scopes)}.")
