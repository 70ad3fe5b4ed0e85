"""Webhooks over HTTP. A secret is in one answer, that to its making."""

from __future__ import annotations

from django.db.models import F, QuerySet
from django.utils import timezone
from rest_framework.request import Request

from accounts.callers import caller_of
from integrations.webhooks import services
from integrations.webhooks.api.serializers import (
    DeliveryOut,
    NewSubscriptionOut,
    SubscriptionEdit,
    SubscriptionInput,
    SubscriptionOut,
)
from integrations.webhooks.exceptions import WebhookNotFound
from integrations.webhooks.models import Subscription
from reservations.api.serializers import NoInput
from rest.answers import Answer
from rest.pagination import Orderings, PageRequest, page_data, paginate
from rest.schema import endpoint, page_of, page_query
from rest.serializers import shown, written
from rest.views import DeskView

ORDERINGS: Orderings = {"id": F("pk"), "created_at": F("created_at")}
KEEP_IT = "Keep this secret safe: it cannot be shown again."


class WebhookView(DeskView):
    tag = "events"

    def webhooks(self) -> QuerySet[Subscription]:
        """Admins see everybody's; a key those that it made."""
        rows = Subscription.objects.select_related("owner", "key")
        key = caller_of(self.request).key
        return rows if key is None else rows.filter(key=key)

    def webhook(self, webhook_id: int) -> Subscription:
        found = self.webhooks().filter(pk=webhook_id).first()
        if found is None:
            raise WebhookNotFound(webhook_id)
        return found


class WebhookList(WebhookView):
    @endpoint(
        name="webhooks_list",
        summary="List webhooks",
        description="An API key sees those that it made.",
        query=page_query(ORDERINGS, "id"),
        answers={200: page_of(SubscriptionOut)},
    )
    def get(self, request: Request) -> Answer:
        page = paginate(self.webhooks(), PageRequest.of(request, ORDERINGS, "id"), ORDERINGS)
        return Answer(page_data(request, page.next, page.previous, page.count, written(SubscriptionOut, page.rows)))

    @endpoint(
        name="webhooks_create",
        summary="Subscribe to events",
        description=(
            "Messages are sent from now on, signed as Standard Webhooks has it. The secret is in this answer and "
            "nowhere else. Nothing is sent any more once the API key that made it, or the role of its owner, is gone."
        ),
        request=SubscriptionInput,
        answers={201: NewSubscriptionOut},
        headers={201: ["Location"]},
        example={"url": "https://catalogue.example.org/circdesk", "types": ["book.borrowed", "book.returned"]},
    )
    def post(self, request: Request) -> Answer:
        self.require_earnest()
        caller = caller_of(request)
        assert caller.user is not None  # the table asks for an admin
        made, secret = services.subscribe(owner=caller.user, key=caller.key, **self.parsed(SubscriptionInput))
        headers = {"Location": f"/api/webhooks/{made.pk}/"}
        return Answer(shown(SubscriptionOut, made) | {"secret": secret}, KEEP_IT, status=201, headers=headers)


class WebhookDetail(WebhookView):
    @endpoint(name="webhooks_read", summary="One webhook", answers={200: SubscriptionOut}, refusals=["NOT_FOUND"])
    def get(self, request: Request, webhook_id: int) -> Answer:
        return Answer(shown(SubscriptionOut, self.webhook(webhook_id)))

    @endpoint(
        name="webhooks_update",
        summary="Change, pause or resume a webhook",
        description="What happened while it was paused is not sent; what waited then is.",
        request=SubscriptionEdit,
        answers={200: SubscriptionOut},
        refusals=["NOT_FOUND"],
        example={"active": True},
    )
    def patch(self, request: Request, webhook_id: int) -> Answer:
        self.require_earnest()
        found = services.change(
            webhook_id=webhook_id,
            fields=self.parsed(SubscriptionEdit),
            by=request.user.get_username(),
            within=self.webhooks(),
        )
        return Answer(shown(SubscriptionOut, found), "Saved.")

    @endpoint(
        name="webhooks_delete",
        summary="End a webhook",
        description="With the log of its deliveries.",
        answers={200: SubscriptionOut},
        refusals=["NOT_FOUND"],
    )
    def delete(self, request: Request, webhook_id: int) -> Answer:
        self.require_earnest()
        found = services.unsubscribe(webhook_id=webhook_id, within=self.webhooks())
        return Answer(shown(SubscriptionOut, found), "Nothing is sent there any more.")


class WebhookTest(WebhookView):
    @endpoint(
        name="webhooks_test",
        summary="Send a test",
        description="A message of the type `test`, sent now and once. The answer says what the endpoint said.",
        request=NoInput,
        answers={200: DeliveryOut},
        refusals=["NOT_FOUND", "BUSY"],
        example={},
    )
    def post(self, request: Request, webhook_id: int) -> Answer:
        self.require_earnest()
        self.parsed(NoInput)
        delivery = services.send_test(self.webhook(webhook_id))
        return Answer(shown(DeliveryOut, delivery), delivery.error or "It was received.")


class WebhookSecret(WebhookView):
    @endpoint(
        name="webhooks_rotate_secret",
        summary="Replace the secret",
        description="The new one is in this answer and nowhere else. For a day messages are signed with both.",
        request=NoInput,
        answers={200: NewSubscriptionOut},
        refusals=["NOT_FOUND"],
        example={},
    )
    def post(self, request: Request, webhook_id: int) -> Answer:
        self.require_earnest()
        self.parsed(NoInput)
        found, secret = services.rotate_secret(webhook_id=webhook_id, within=self.webhooks(), at=timezone.now())
        return Answer(shown(SubscriptionOut, found) | {"secret": secret}, KEEP_IT)


class DeliveryList(WebhookView):
    @endpoint(
        name="webhooks_deliveries",
        summary="What was sent to a webhook",
        description="The newest first, and what waits; each for thirty days.",
        query=page_query(ORDERINGS, "-id"),
        answers={200: page_of(DeliveryOut)},
        refusals=["NOT_FOUND"],
    )
    def get(self, request: Request, webhook_id: int) -> Answer:
        rows = self.webhook(webhook_id).deliveries.all()
        page = paginate(rows, PageRequest.of(request, ORDERINGS, "-id"), ORDERINGS)
        return Answer(page_data(request, page.next, page.previous, page.count, written(DeliveryOut, page.rows)))
