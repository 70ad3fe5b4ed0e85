from celery import shared_task
from django.utils import timezone

from events.heartbeats import beat
from events.relay import forget_old_publications
from events.retention import forget_old_answers


@shared_task
def forget_answers_and_publications() -> None:
    forget_old_answers(at=timezone.now())
    forget_old_publications()


@shared_task
def show_life() -> None:
    beat("worker")
