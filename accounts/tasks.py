from celery import shared_task
from django.utils import timezone

from accounts.retention import forget_old_sign_ins


@shared_task
def forget_sign_ins() -> None:
    forget_old_sign_ins(at=timezone.now())
