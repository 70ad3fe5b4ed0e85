"""Clients of the API."""

import pytest
from django.core.cache import cache
from django.test import TestCase
from rest_framework.test import APIClient

from tests.factories import (
    NOW,
    JobFactory,
    KeyFactory,
    LoanFactory,
    MemberFactory,
    PartnerReservationFactory,
    ReservationFactory,
    UserFactory,
    WebhookFactory,
)


class Client(APIClient):
    """Does after each request what waits for the commit, which the test's own transaction never reaches."""

    def request(self, **request):
        with TestCase.captureOnCommitCallbacks(execute=True):
            return super().request(**request)


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """The cache outlives the rows that a test rolls back."""
    cache.clear()


@pytest.fixture(autouse=True)
def _static_files_uncollected(settings):
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture(autouse=True)
def _somewhere_to_listen(settings):
    settings.LIVE_URL = ":8001"


@pytest.fixture
def anyone():
    """Presents no credential, as a browser does that enforces nothing."""
    return Client()


@pytest.fixture
def librarian(db):
    return UserFactory(staff=True)


@pytest.fixture
def api(librarian):
    """A librarian, signed in."""
    client = Client()
    client.force_authenticate(librarian)
    return client


@pytest.fixture
def world(librarian):
    """Something behind every address, and a librarian who may go everywhere."""
    librarian.is_superuser = True
    MemberFactory(user=librarian)
    loan = LoanFactory()
    return {
        "book": loan.book_id,
        "barcode": loan.copy.barcode,
        "member": loan.member_id,
        "loan": loan.pk,
        "reservation": ReservationFactory(book=loan.book).pk,
        "key": KeyFactory(owner=librarian).pk,
        "job": JobFactory(over=True, asked_by=librarian).pk,
        "webhook": WebhookFactory().pk,
        "partner_reservation": PartnerReservationFactory(state="cancelled", ended_at=NOW, next_try_at=None).pk,
    }
