"""How long traces of signing in are kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import import_module

from django.conf import settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import FailedSignIn

KEEP_FAILED_SIGN_INS = timedelta(days=30)


def forget_old_sign_ins(*, at: datetime) -> None:
    """Drop sessions and refresh tokens that have expired, and wrong passwords of a month ago."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    OutstandingToken.objects.filter(expires_at__lte=at).delete()
    FailedSignIn.objects.filter(attempt_time__lt=at - KEEP_FAILED_SIGN_INS).delete()
