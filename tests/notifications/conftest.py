"""A mail server, and matters to write about."""

import pytest

from tests.notifications.post import Post


@pytest.fixture(autouse=True)
def _mail_is_set_up(settings):
    settings.MAIL_IS_SET_UP = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_TIMEOUT = 1
    settings.DEFAULT_FROM_EMAIL = "desk@library.example.org"
    settings.LIBRARY_NAME = "Riverside Library"


@pytest.fixture
def post(settings):
    with Post() as post:
        settings.EMAIL_PORT = post.port
        yield post
