"""What is left of signing in, and when it goes."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import FailedSignIn
from accounts.retention import forget_old_sign_ins
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def session(days):
    store = SessionStore()
    store.set_expiry(timezone.now() + timedelta(days=days))
    store.create()
    return store.session_key


def test_sessions_that_have_expired_go():
    session(days=-1)
    current = session(days=1)

    forget_old_sign_ins(at=timezone.now())
    assert list(Session.objects.values_list("session_key", flat=True)) == [current]


def test_refresh_tokens_that_have_expired_go_and_no_longer_need_to_be_refused():
    now, user = timezone.now(), UserFactory()
    old, current = RefreshToken.for_user(user), RefreshToken.for_user(user)
    old.blacklist()
    OutstandingToken.objects.filter(jti=old["jti"]).update(expires_at=now - timedelta(seconds=1))

    forget_old_sign_ins(at=now)
    assert list(OutstandingToken.objects.values_list("jti", flat=True)) == [current["jti"]]
    assert not BlacklistedToken.objects.exists()


def test_wrong_passwords_are_kept_for_a_month():
    now = timezone.now()
    for days in (31, 29):
        failed = FailedSignIn.objects.create(username="ada", ip_address=f"192.0.2.{days}", failures_since_start=1)
        FailedSignIn.objects.filter(pk=failed.pk).update(attempt_time=now - timedelta(days=days))

    forget_old_sign_ins(at=now)
    assert [failed.ip_address for failed in FailedSignIn.objects.all()] == ["192.0.2.29"]
