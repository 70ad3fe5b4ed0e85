"""The envelope of a successful answer."""

from typing import Any

from rest_framework.response import Response


class Answer(Response):
    """`{"success": true, "message": ..., "data": ...}`."""

    def __init__(
        self, data: Any, message: str = "", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__({"success": True, "message": message, "data": data}, status=status, headers=headers)
