"""Webhooks in the admin: who is told of events, what they were sent, and what they said. Never a secret."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from events.admin import ReadOnlyAdmin
from integrations.webhooks.models import Delivery, Subscription
from integrations.webhooks.services import resume, send_again


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """They are made over the API, which shows the secret to whoever will use it."""

    list_display = ["url", "description", "owner", "active", "silent_because", "failing_since"]
    list_filter = ["active"]
    list_select_related = ["owner", "key"]
    fields = [
        "url", "types", "description", "owner", "key", "created_at", "active", "silent_because", "failing_since",
        "rotated_at",
    ]  # fmt: skip
    actions: Any = ["resume"]

    def event_filter(self, row: Any) -> dict[str, Any]:
        return {"record_id": row.pk, "kind__startswith": "webhook."}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["silent_because"]

    @admin.display(description=_("Why nothing is sent"))
    def silent_because(self, subscription: Subscription) -> str:
        return subscription.silent_because(timezone.now())

    @admin.action(description=_("Resume the chosen webhooks"), permissions=["resume"])
    def resume(self, request: HttpRequest, chosen: QuerySet[Subscription]) -> None:
        resume(webhook_ids=list(chosen.values_list("pk", flat=True)))
        self.message_user(request, gettext("Resumed. What waited is sent first; what failed can be sent again."))

    def has_resume_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_subscription")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["id", "created_at", "type", "subscription", "state", "attempts", "due_at", "status", "error"]
    list_filter = ["state", "created_at"]
    list_select_related = ["subscription"]
    narrowing = ("subscription_id", "event_id")
    actions: Any = ["send_again"]

    @admin.action(description=_("Send again"), permissions=["send"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        count = send_again(delivery_ids=list(chosen.values_list("pk", flat=True)), at=timezone.now())
        told = gettext("%(count)s will be sent again. What waits already, and tests, are left as they are.")
        self.message_user(request, told % {"count": count})

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_delivery")
