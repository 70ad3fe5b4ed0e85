"""Traces: a span for each request, statement, command to Redis, task, and request to another library.

What a span says of them is listed here; whatever else the packages would tell of them is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode

from config.observability import redacting
from config.observability.requests import HEADER, PROBES, shown

TOLD = re.compile(
    r"http\.(request\.method|response\.status_code|method|status_code|route|url)|url\.full|request_id|refusal|error\.type"
    r"|db\.(system|system\.name|name|namespace|statement|query\.text|operation|operation\.name|redis\.args_length)"
    r"|net\.peer\.(name|port)|server\.(address|port)|(celery|messaging)\.[a-z_.]+"
)
STATEMENTS = ("db.statement", "db.query.text")
URLS = ("http.url", "url.full")

_tracer = trace.get_tracer("circdesk")


def start() -> None:
    """Where to, and how many: as OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_..., OTEL_TRACES_...)."""
    provider = TracerProvider(resource=Resource.create({"service.name": settings.OTEL_SERVICE_NAME}))
    provider.add_span_processor(BatchSpanProcessor(Discreet(OTLPSpanExporter(settings.TRACES_URL))))
    trace.set_tracer_provider(provider)
    for instrument in (PsycopgInstrumentor, RedisInstrumentor, CeleryInstrumentor, URLLib3Instrumentor):
        instrument().instrument(tracer_provider=provider)


class TracingMiddleware:
    """Around all others. A caller that sends `traceparent` finds our spans in its own trace."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.strip("/") in PROBES:
            with suppress_instrumentation():
                return self.get_response(request)
        caller = extract({name: request.headers.get(name, "") for name in ("traceparent", "tracestate")})
        method = request.method or ""
        with _tracer.start_as_current_span(method, context=caller, kind=SpanKind.SERVER) as span:
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else ""
            span.update_name(f"{method} {route}".strip())
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                    "request_id": response.headers.get(HEADER, ""),
                    "refusal": getattr(request, "refusal", ""),
                }
            )
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
        return response


class Discreet(SpanExporter):
    """Passes on what may be told."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_told(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _told(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=redacting.text(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_attributes(span.attributes or {}),
        events=[
            Event(event.name, redacting.value(dict(event.attributes or {})), event.timestamp) for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, redacting.text(span.status.description or "") or None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    told = {}
    for name, said in found.items():
        if TOLD.fullmatch(name):
            if name in STATEMENTS:
                said = shown(said)
            elif name in URLS:
                said = str(said).partition("?")[0]
            told[name] = redacting.text(said) if isinstance(said, str) else said
    return told
