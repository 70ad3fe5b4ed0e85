from celery import shared_task
from django.utils import timezone

from integrations.logbook.models import Entry


@shared_task
def forget_entries() -> None:
    Entry.objects.forgettable(timezone.now()).delete()
