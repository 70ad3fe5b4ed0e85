"""What happens to requests before they are routed, and to their answers afterwards."""

from collections.abc import Awaitable, Callable
from functools import partial

from corsheaders import middleware as cors
from django.conf import settings
from django.contrib.messages import middleware as messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.http import ConditionalGetMiddleware
from django.utils.cache import get_conditional_response, set_response_etag
from structlog.contextvars import get_contextvars

from accounts.access import rules_of
from accounts.addresses import address_of
from accounts.models import APIKey
from accounts.permissions import route_of
from accounts.throttling import counted, is_counted
from config.api import errors
from events.origins import Origin, coming_from

CONDITIONS = frozenset(
    f"HTTP_{name}" for name in ("IF_MATCH", "IF_NONE_MATCH", "IF_MODIFIED_SINCE", "IF_UNMODIFIED_SINCE")
)
SLASHED = ("/api/", "/admin/", "/reserve/", "/status/", "/daia/")


class OptionalSlashMiddleware:
    """Serves `/api/books` as `/api/books/`: for every method, without a redirect that would lose the body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.endswith("/") and f"{request.path_info}/".startswith(SLASHED):
            request.path_info += "/"
            request.path += "/"
        return self.get_response(request)


class CorsMiddleware(cors.CorsMiddleware):
    """Takes no time where no other site may call: it would look into the headers of every answer."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return super().__call__(request) if settings.CORS_ALLOWED_ORIGINS else self.get_response(request)


class SafeHeadersMiddleware:
    """Tells browsers what they may load, callers what they may still ask, caches to keep only what is for everybody."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        response.headers["Permissions-Policy"] = settings.PERMISSIONS_POLICY
        for name, value in getattr(request, "rate_limit", {}).items():
            response[name] = value
        if not is_for_everybody(request):
            response["Cache-Control"] = "no-store"
        return response


class SignInMiddleware:
    """Counts those who sign in to the admin like those who sign in to the API: each costs a quarter of a second."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path_info == "/admin/login/" and is_counted():
            result = counted("account", "anonymous", f"address:{address_of(request)}")
            if result is not None and result.limited:
                return errors.throttled(request, result.state.retry_after)
        return self.get_response(request)


class OriginMiddleware:
    """Whatever a request records says who sent it and from where. Found out only when something is recorded."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with coming_from(partial(origin_of, request)):
            return self.get_response(request)


def origin_of(request: HttpRequest) -> Origin:
    """Who sent it, as far as its credential was looked at by now, and from where."""
    known = request.__dict__
    if "origin" not in known or known["origin"][0] is not known.get("auth"):
        key = known.get("auth")
        user = getattr(request, "user", None)
        found = Origin(
            actor_id=user.pk if user is not None else None,
            key_id=key.pk if isinstance(key, APIKey) else None,
            address=address_of(request),
            request_id=get_contextvars().get("request_id"),
        )
        known["origin"] = (key, found)
    origin: Origin = known["origin"][1]
    return origin


class NoNulMiddleware:
    """Refuses a NUL in the query of an admin's page, and ignores cookies with one: PostgreSQL cannot look for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for name in [name for name, value in request.COOKIES.items() if "\0" in value]:
            del request.COOKIES[name]
        if request.path_info.startswith("/admin/") and "%00" in request.META.get("QUERY_STRING", ""):
            return errors.bad_request(request)
        return self.get_response(request)


def is_for_everybody(request: HttpRequest) -> bool:
    """Whether anybody gets this answer without signing in."""
    rules = rules_of(route_of(request), request.method or "")
    return bool(rules) and all(rule.who == "anyone" and rule.rate == "read" for rule in rules)


class MessageMiddleware(messages.MessageMiddleware):
    """Messages of the admin's pages. The API has none, and its requests do not pay for them."""

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        return self.get_response(request) if request.path_info.startswith("/api/") else super().__call__(request)


class ConditionalMiddleware(ConditionalGetMiddleware):
    """Gives answers an ETag: 304 while `If-None-Match` still holds, an error in our form to a wrong `If-Match`.

    HEAD is treated like GET: the body is there until the server leaves it out.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD") or not isinstance(response, HttpResponse):
            return response
        if not response.has_header("ETag") and self.needs_etag(response):
            set_response_etag(response)
        if CONDITIONS.isdisjoint(request.META):  # as of nearly every request: nothing is to be read or compared
            return response
        final = get_conditional_response(request, etag=response.get("ETag"), response=response)
        if final is None or final is response:
            return response
        return errors.stale(request) if final.status_code == 412 else final

    def needs_etag(self, response: HttpResponseBase) -> bool:
        """Errors are never what one has already."""
        return response.status_code < 300 and super().needs_etag(response)
