"""How the log is written: a line of JSON for each entry in production, one to read in development.

Everything that is logged, by whichever library, goes through the same steps. Modules of ours ask `logging` for a
logger, like all others.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from typing import Any

from django.utils.module_loading import import_string
from structlog.contextvars import merge_contextvars
from structlog.dev import ConsoleRenderer
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo, Processor

from config.observability import redacting

FORMATS = ("json", "text")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
# What our own lines say beside their message (`extra=`). Of what libraries add, nobody knows what it holds.
FIELDS = (
    "user",
    "key",
    "method",
    "route",
    "status",
    "duration_ms",
    "queries",
    "refusal",
    "parameters",
    "sql",
    "request_id",
)

Event = MutableMapping[str, Any]


def settings_of(*, debug: bool, level: str, form: str, keep: bool, traced: bool) -> dict[str, Any]:
    """`LOGGING`. Requests have their lines in production, and nobody looks at them while developing."""
    handlers = ["console", "database"] if keep else ["console"]
    formatters: dict[str, Any] = {form: {"()": f"config.observability.logs.{form}_lines", "traced": traced}}
    kept = {"class": "config.observability.keeping.DatabaseHandler", "level": "WARNING", "traced": traced}
    filters = {"filters": ["without_traces"]}
    console = {"class": "logging.StreamHandler", "formatter": form}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": formatters,
        "filters": {
            "without_traces": {"()": "config.observability.traces.WithoutTraces"},
            "without_unavailable": {"()": "config.observability.traces.WithoutUnavailable"},
        },
        "handlers": {"console": console | filters} | ({"database": kept | filters} if keep else {}),
        "root": {"handlers": handlers, "level": level or ("INFO" if debug else "WARNING")},
        "loggers": {
            "django": {"handlers": handlers, "propagate": False},
            # A refusal is an answer, not a warning. What goes wrong here is logged as an error, with its trace.
            "django.request": {"level": "ERROR", "filters": ["without_unavailable"]},
            "psycopg.pool": {
                "level": level or "ERROR"
            },  # else each of its tries has two lines while PostgreSQL is away
            "celery": {"level": level or "WARNING"},  # else every round of the schedule has its lines
            "config.observability.requests": {"level": level or ("WARNING" if debug else "INFO")},
        },
    }


class JsonLines(logging.Formatter):
    """structlog's steps, for records of `logging` only.

    Its own formatter makes each record anew and formats it twice: a twentieth of the CPU of a kept answer's request.
    """

    def __init__(self, steps: Sequence[Processor]) -> None:
        super().__init__()
        self._steps = steps

    def format(self, record: logging.LogRecord) -> str:
        said: Any = {"event": record.getMessage(), "_record": record}
        if record.exc_info:
            said["exc_info"] = record.exc_info
        if record.stack_info:
            said["stack_info"] = record.stack_info
        for step in self._steps:
            said = step(None, record.levelname.lower(), said)
        return str(said)


def json_lines(traced: bool = False) -> logging.Formatter:
    return JsonLines(
        [
            *_steps(traced),
            ExceptionRenderer(EXCEPTIONS),
            redacting.processor,
            _in_order,
            JSONRenderer(ensure_ascii=False),
        ]
    )


def text_lines(traced: bool = False) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=plain_steps(traced),
        processors=[
            ProcessorFormatter.remove_processors_meta,
            ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0, timestamp_key="time", sort_keys=False),
        ],
    )


def plain_steps(traced: bool) -> list[Processor]:
    """From a record to what may be told of it, its trace as text."""
    return [*_steps(traced), ExceptionRenderer(_plain_trace), redacting.processor]


def _steps(traced: bool) -> list[Processor]:
    ids = [import_string("config.observability.trace_ids.add")] if traced else []  # else nothing of tracing is loaded
    return [_about, merge_contextvars, ExtraAdder(allow=FIELDS), *ids]


# Without what variables held: members, and what they typed.
EXCEPTIONS = ExceptionDictTransformer(show_locals=False, max_frames=40)
_now = TimeStamper(fmt="iso", utc=True, key="time")


def _plain_trace(exc_info: ExcInfo) -> str:
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def _about(logger: Any, method: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    _now(logger, method, event)
    event["level"] = record.levelname.lower()
    event["logger"] = record.name
    return event


def _in_order(logger: Any, method: str, event: Event) -> Event:
    """What every line has stands first."""
    del event["_record"]
    first = {"time": event.pop("time"), "level": event.pop("level"), "logger": event.pop("logger")}
    return first | {"message": event.pop("event")} | {name: found for name, found in event.items() if found is not None}
