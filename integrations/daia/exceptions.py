"""Why a question is not answered."""

from __future__ import annotations

from events.exceptions import DomainError


class InvalidRequest(DomainError):
    """A query parameter is missing, is not what it must be, or asks for what there is not."""

    kind = "unprocessable"
    code = "INVALID_REQUEST"
