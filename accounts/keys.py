"""API keys: made, recognised, revoked."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.exceptions import KeyNotFound, ScopeTooWide
from accounts.lookups import living_key
from accounts.models import APIKey, Role, Scope, User

BEGINNING = "cdk_"  # so that people and scanners of leaked secrets know what they see
_KEY = re.compile(rf"{BEGINNING}[0-9A-Za-z_-]{{43}}")
USED_TO = timedelta(minutes=5)  # how exactly the last use is known


def create_key(
    *, owner: User, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> tuple[APIKey, str]:
    """A new key, and its text, which is never seen again. Raises ScopeTooWide for more than its owner may."""
    scopes = sorted(set(scopes))
    if owner.role < Role.LIBRARIAN or (Scope.ADMIN in scopes and owner.role < Role.ADMIN):
        raise ScopeTooWide(owner.get_username())
    # 256 random bits: nobody guesses them, so a plain digest is as safe as a slow one, and found by an index.
    text = BEGINNING + secrets.token_urlsafe(32)
    key = APIKey.objects.create(
        owner=owner, name=name, scopes=scopes, expires_at=expires_at, prefix=text[:12], digest=_digest(text)
    )
    return key, text


def revoke_key(*, key_id: int, owner_id: int | None = None) -> APIKey:
    """End a key for good; one of this owner only, if given. Doing it twice changes nothing. Raises KeyNotFound."""
    keys = APIKey.objects.filter(pk=key_id, **({} if owner_id is None else {"owner": owner_id}))
    with transaction.atomic():
        key = keys.select_related("owner").select_for_update(of=("self",), no_key=True).first()
        if key is None:
            raise KeyNotFound(key_id)
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
    return key


def recognised(text: str) -> APIKey | None:
    """The living key with this text, of somebody who still works here."""
    if not _KEY.fullmatch(text):
        return None
    key = living_key(_digest(text))
    if key is None or not key.owner.is_active or key.owner.role < Role.LIBRARIAN:
        return None
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > USED_TO:
        APIKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
