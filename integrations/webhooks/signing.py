"""Signatures of webhooks as Standard Webhooks has them, and the secrets that they are made with.

A secret is not stored. It is computed from a random salt and SECRET_KEY, so that a copy of the database forges nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from standardwebhooks import Webhook


def new_salt() -> str:
    """What a new secret is made of."""
    return secrets.token_urlsafe(32)


def secret_of(salt: str) -> str:
    """The secret, `whsec_` and 32 bytes in base64."""
    digest = hmac.digest(settings.SECRET_KEY.encode(), f"webhooks:{salt}".encode(), hashlib.sha256)
    return f"whsec_{base64.b64encode(digest).decode()}"


def signed(webhook_id: str, body: str, salts: Sequence[str], *, at: datetime) -> dict[str, str]:
    """The three headers of a message, with a signature for each secret."""
    signatures = [Webhook(secret_of(salt)).sign(webhook_id, at, body) for salt in salts]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
