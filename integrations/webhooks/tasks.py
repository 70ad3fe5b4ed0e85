from celery import shared_task
from django.utils import timezone

from integrations.webhooks.services import forget_old_deliveries


@shared_task
def forget_deliveries() -> None:
    forget_old_deliveries(at=timezone.now())
