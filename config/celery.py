"""Celery: workers do what nobody waits for.

A task is a wake-up. What is to be done stands in PostgreSQL, so a task that is lost, runs twice, or runs on two workers
at once does no harm: the next round of the schedule finds what was missed.
"""

import os
import warnings

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning

# That what runs is not cut off when Redis goes away will change some day, Celery says whenever Redis does.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("circdesk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
