"""Refusals about jobs."""

from events.exceptions import DomainError
from library.exceptions import NotFound


class JobNotFound(NotFound):
    def __init__(self, job_id: int) -> None:
        super().__init__(f"There is no job {job_id}.")


class NoSuchFile(NotFound):
    """The job has no result, or no error report, or not yet."""


class Unusable(DomainError):
    """What was asked for makes no sense, and which field says so."""

    kind = "invalid"
    code = "VALIDATION_ERROR"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(
            "Some of what you sent is not valid.", details={field: [{"code": "invalid", "message": message}]}
        )
