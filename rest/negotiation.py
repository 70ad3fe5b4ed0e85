"""Which form an answer takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class ContentNegotiation(DefaultContentNegotiation):
    """Takes no time over what nearly everybody accepts: anything, or the first form that there is."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        usual = next(iter(renderers))
        if format_suffix is None and request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", usual.media_type):
            return usual, str(usual.media_type)
        chosen: Any = super().select_renderer(request, renderers, format_suffix)
        renderer, media_type = chosen
        return renderer, media_type
