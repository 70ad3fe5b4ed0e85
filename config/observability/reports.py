"""Errors that nobody foresaw, told to Sentry: where in the program, never what variables or requests held."""

from __future__ import annotations

from typing import Any

import sentry_sdk
from django.conf import settings
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.scrubber import DEFAULT_DENYLIST, EventScrubber
from structlog.contextvars import get_contextvars

from config.observability import redacting

# What a report says of a request and its sender, beside its number and route.
UNTOLD = ("cookies", "data", "env", "headers", "query_string", "url")


def start() -> None:
    sentry_sdk.init(
        settings.SENTRY_DSN,
        integrations=[DjangoIntegration(middleware_spans=False, signals_spans=False), CeleryIntegration()],
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        event_scrubber=EventScrubber(denylist=DEFAULT_DENYLIST, recursive=True),
        before_send=told,
        before_breadcrumb=lambda crumb, hint: None,  # statements, and what was logged before
        server_name="",
        auto_session_tracking=False,
        send_client_reports=False,
    )


def told(event: Any, hint: Any) -> Any:
    """The event, without what is nobody's business."""
    for name in ("user", "breadcrumbs", "extra", "modules"):
        event.pop(name, None)
    for name in UNTOLD:
        event.get("request", {}).pop(name, None)
    event.get("contexts", {}).pop("celery-job", None)  # with what a task was called with
    about = get_contextvars()
    event["tags"] = {name: about[name] for name in ("request_id", "route") if about.get(name)}
    return {name: _redacted(name, found) for name, found in event.items()}


def _redacted(name: str, found: Any) -> Any:
    """Names of functions, files and packages are as they are."""
    if name in ("exception", "threads", "message", "logentry", "request", "transaction"):
        return redacting.sentences(found)
    return found
