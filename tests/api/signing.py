"""Clients that present what a client presents: a token, or a key."""

from accounts.keys import create_key
from accounts.tokens import pair_for
from tests.api.conftest import Client

PASSWORD = "a staple for horses, correct"


def signed_in(user):
    client = Client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair_for(user).access}")
    return client


def with_key(user, *scopes):
    client = Client()
    client.credentials(HTTP_X_API_KEY=create_key(owner=user, name="machine", scopes=scopes)[1])
    return client
