"""From exceptions to HTTP: the one place where refusals get their status."""

from __future__ import annotations

import json
import logging
import math
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response

from accounts.exceptions import LockedOut
from config.observability import metrics
from events.exceptions import Busy, DomainError, Kind
from events.operations import connection_lost, discard_dead_connections
from integrations.daia import errors as daia
from library.api.operations import InvalidKey
from library.exceptions import Refusal, StaleVersion
from rest.uploads import UploadTooLarge

logger = logging.getLogger(__name__)

STATUS: dict[Kind, int] = {
    "invalid": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "stale": 412,
    "unprocessable": 422,
    "throttled": 429,
    "busy": 503,
}
RETRY_AFTER = "1"  # seconds

_FRAMEWORK: dict[type[exceptions.APIException], str] = {
    exceptions.ParseError: "MALFORMED_JSON",
    exceptions.NotAuthenticated: "NOT_AUTHENTICATED",
    exceptions.AuthenticationFailed: "TOKEN_INVALID",
    exceptions.PermissionDenied: "PERMISSION_DENIED",
    exceptions.NotFound: "NOT_FOUND",
    exceptions.MethodNotAllowed: "METHOD_NOT_ALLOWED",
    exceptions.NotAcceptable: "NOT_ACCEPTABLE",
    exceptions.UnsupportedMediaType: "UNSUPPORTED_MEDIA_TYPE",
    exceptions.Throttled: "THROTTLED",
}


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an exception that a view raised; None for what nobody foresaw."""
    found = describe(error)
    if found is None:
        return None
    status, code, message, details = found
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    if isinstance(error, LockedOut):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, DomainError) and error.kind == "unauthenticated":
        headers["WWW-Authenticate"] = context["view"].get_authenticate_header(context["request"])
    if isinstance(error, exceptions.APIException):
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait))
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
    body, content_type = _body(context["request"], status, code, message, details)
    return Response(body, status=status, headers=headers, content_type=content_type)


def describe(error: Exception) -> tuple[int, str, str, Any] | None:
    """Status, code, message and details of an exception, None for one that is a defect."""
    match error:
        case Refusal():
            details: Any = {"refusals": [reason.as_dict() for reason in error.reasons()]}
            return STATUS[error.kind], error.code, error.message, details
        case DomainError():
            return STATUS[error.kind], error.code, error.message, error.details
        case InvalidKey():
            return (
                400,
                "IDEMPOTENCY_KEY_INVALID",
                str(error.detail[0] if isinstance(error.detail, list) else error),
                None,
            )
        case exceptions.ValidationError():
            return 400, "VALIDATION_ERROR", "Some of what you sent is not valid.", flattened(error.get_full_details())
        case exceptions.APIException():
            code = next((code for kind, code in _FRAMEWORK.items() if isinstance(error, kind)), "ERROR")
            return error.status_code, code, str(error.detail), None
        case Http404():
            return 404, "NOT_FOUND", "There is nothing at this address.", None
        case PermissionDenied():
            return 403, "PERMISSION_DENIED", "You may not do this.", None
        case UploadTooLarge():
            return 413, "PAYLOAD_TOO_LARGE", str(error), None
        case RequestDataTooBig():
            return 413, "PAYLOAD_TOO_LARGE", "The body is too large. At most 1 MB is read.", None
        case SuspiciousOperation():
            return 400, "VALIDATION_ERROR", "This request cannot be understood.", None
        case InterfaceError() | OperationalError() if isinstance(error, InterfaceError) or connection_lost(error):
            logger.error("The database does not answer: %s", error)
            discard_dead_connections()
            return 503, "DATABASE_UNAVAILABLE", "The database does not answer. Please try again in a moment.", None
        case OperationalError():
            return describe(Busy())
    return None


def flattened(details: Any) -> dict[str, list[dict[str, str]]]:
    """`{"field": [{"code", "message"}]}`, nested fields joined by dots."""
    found: dict[str, list[dict[str, str]]] = {}

    def walk(path: str, node: Any) -> None:
        if (
            isinstance(node, dict)
            and "message" in node
            and "code" in node
            and not isinstance(node["message"], dict | list)
        ):
            found.setdefault(path or "body", []).append({"code": str(node["code"]), "message": str(node["message"])})
        elif isinstance(node, dict):
            for name, child in node.items():
                walk(path if name == "non_field_errors" else f"{path}.{name}" if path else str(name), child)
        elif isinstance(node, list):
            for index, child in enumerate(node):
                is_leaf = isinstance(child, dict) and "message" in child and "code" in child
                walk(path if is_leaf else f"{path}.{index}", child)

    walk("", details)
    return found


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answers for paths that no route matches."""
    return _plain(request, 404, "NOT_FOUND", "There is nothing at this address.")


def stale(request: HttpRequest) -> HttpResponse:
    """Answers a GET whose `If-Match` names another version."""
    found = StaleVersion()
    return _plain(request, STATUS[found.kind], found.code, found.message)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers for defects. The log has the rest."""
    return _plain(request, 500, "INTERNAL_ERROR", "Something went wrong on our side. It was logged.")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answers for requests that Django itself refuses, such as those to an unknown host."""
    return _plain(request, 400, "VALIDATION_ERROR", "This request cannot be understood.")


def locked_out(request: HttpRequest, *args: Any) -> HttpResponse:
    """Answers whoever typed too many wrong passwords, in the API and in the admin."""
    found = LockedOut()
    return _too_many(request, found.message, found.retry_after)


def throttled(request: HttpRequest, retry_after: float) -> HttpResponse:
    """Answers whoever signs in to the admin too often."""
    seconds = max(1, math.ceil(retry_after))
    return _too_many(request, f"Request was throttled. Expected available in {seconds} seconds.", seconds)


def _too_many(request: HttpRequest, message: str, retry_after: int) -> HttpResponse:
    """Plain text outside the API, where people read it in their browser."""
    if request.path_info.startswith("/api/"):
        response = _plain(request, 429, "THROTTLED", message)
    else:
        response = HttpResponse(message, status=429, content_type="text/plain; charset=utf-8")
    response["Retry-After"] = str(retry_after)
    return response


def _plain(request: HttpRequest, status: int, code: str, message: str) -> HttpResponse:
    body, content_type = _body(request, status, code, message, None)
    return HttpResponse(json.dumps(body), status=status, content_type=content_type or "application/json")


def _body(request: Any, status: int, code: str, message: str, details: Any) -> tuple[dict[str, Any], str | None]:
    metrics.refused(code)
    getattr(request, "_request", request).refusal = code  # for config/observability/requests.py
    if daia.is_daia(request.path_info):
        return daia.error(status, message), daia.CONTENT_TYPE
    if "application/problem+json" in request.headers.get("Accept", ""):
        problem = {
            "type": "about:blank",
            "title": code,
            "status": status,
            "detail": message,
            "code": code,
            "details": details,
        }
        return problem, "application/problem+json"
    error = {"message": message, "code": code, "details": details, "status_code": status}
    return {"success": False, "error": error}, None
