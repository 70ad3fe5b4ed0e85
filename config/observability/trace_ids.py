"""Under which number to look for the trace in which something was logged. Loaded before there are models."""

from collections.abc import MutableMapping
from typing import Any

from opentelemetry import trace


def add(logger: Any, method: str, said: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of config/observability/logs.py."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        said["trace_id"], said["span_id"] = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return said
