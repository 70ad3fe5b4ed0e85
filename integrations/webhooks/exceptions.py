"""Refusals about webhooks."""

from events.exceptions import DomainError


class WebhookNotFound(DomainError):
    kind = "not_found"
    code = "NOT_FOUND"

    def __init__(self, webhook_id: int) -> None:
        super().__init__(f"There is no webhook {webhook_id}.")
