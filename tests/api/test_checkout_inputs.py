"""POST /api/circulation/checkout/: what cannot be understood, and what does not exist."""

import pytest

from tests.api.asking import error_of, invalid_fields
from tests.factories import BookFactory, CopyFactory, MemberFactory

pytestmark = pytest.mark.django_db

URL = "/api/circulation/checkout/"


@pytest.fixture
def ada():
    return MemberFactory(first_name="Ada", last_name="Lovelace")


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"book_id": "invalid"}),
        ({"book_id": 1}, {"member_id": "required"}),
        ({"member_id": 1}, {"book_id": "invalid"}),
        ({"member_id": 1, "book_id": 1, "barcode": "a"}, {"book_id": "invalid"}),
        ({"member_id": "1", "book_id": 1}, {"member_id": "invalid"}),
        ({"member_id": 0, "book_id": 2**63}, {"member_id": "min_value", "book_id": "max_value"}),
        ({"member_id": 1, "barcode": "a b"}, {"barcode": "invalid"}),
        ({"member_id": 1, "book_id": 1, "days": 0}, {"days": "min_value"}),
        ({"member_id": 1, "book_id": 1, "days": 3651}, {"days": "max_value"}),
        ({"member_id": 1, "book_id": 1, "days": 7.5}, {"days": "invalid"}),
        ({"member_id": 1, "book_id": 1, "on_unavailable": "queue"}, {"on_unavailable": "invalid_choice"}),
        ({"member_id": 1, "book_id": 1, "override": ["X"]}, {"override_reason": "required"}),
        ({"member_id": 1, "book_id": 1, "override": "X"}, {"override": "not_a_list"}),
        ({"member_id": 1, "book_id": 1, "override": [{}]}, {"override.0": "invalid"}),
        ({"member_id": 1, "book_id": 1, "override": ["X"] * 21}, {"override": "max_length"}),
        ({"member_id": 1, "book_id": 1, "override_reason": "x" * 301}, {"override_reason": "max_length"}),
        ({"member_id": 1, "book_id": 1, "at": "2020-01-01"}, {"at": "unknown"}),
    ],
)
def test_what_a_check_out_cannot_be(api, sent, complaints):
    assert invalid_fields(api.post(URL, sent)) == complaints


def test_who_and_what_must_exist(api, ada):
    book = BookFactory(copies=1)
    withdrawn = CopyFactory(book__withdrawn=True, withdrawn=True)

    error_of(api.post(URL, {"member_id": 47110815, "book_id": book.pk}), 404, "MEMBER_NOT_FOUND")
    error_of(api.post(URL, {"member_id": ada.pk, "book_id": 47110815}), 404, "BOOK_NOT_FOUND")
    error_of(api.post(URL, {"member_id": ada.pk, "barcode": "47110815"}), 404, "COPY_NOT_FOUND")
    error_of(api.post(URL, {"member_id": ada.pk, "book_id": withdrawn.book_id}), 404, "BOOK_NOT_FOUND")
    error_of(api.post(URL, {"member_id": ada.pk, "barcode": withdrawn.barcode}), 404, "COPY_NOT_FOUND")
