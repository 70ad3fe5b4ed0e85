"""Idempotency-Key: a repeated request repeats its answer, not its effect."""

import pytest

from circulation.models import Loan
from events.models import Event, StoredAnswer
from tests.api.asking import data_of, error_of, everything, message_of, open_loan, raw, refusals_of
from tests.api.conftest import Client
from tests.api.test_dry_run import SUCCEED
from tests.factories import BookFactory, MemberFactory, UserFactory

pytestmark = pytest.mark.django_db

URL = "/api/circulation/checkout/"


@pytest.fixture
def sent():
    return {"member_id": MemberFactory().pk, "book_id": BookFactory(copies=2).pk}


def keyed(key):
    return {"HTTP_IDEMPOTENCY_KEY": key}


@pytest.mark.parametrize("request_of", [request_of for request_of, _ in SUCCEED])
def test_a_repeated_request_repeats_its_answer(api, request_of):
    url, sent = request_of()

    first = api.post(url, sent, **keyed("7c6b"))
    before = everything()
    second = api.post(url, sent, **keyed("7c6b"))

    assert first.status_code in (200, 201, 202)
    assert "Idempotency-Replayed" not in first
    assert second["Idempotency-Replayed"] == "true"
    assert (second.status_code, second.content) == (first.status_code, first.content)
    shown = ("Content-Type", "Location", "ETag", "Allow", "Vary")
    assert {name: second.get(name) for name in shown} == {name: first.get(name) for name in shown}
    stored = StoredAnswer.objects.get()
    assert (bytes(stored.body), stored.status) == (first.content, first.status_code)
    assert everything() == before


def test_a_keyed_answer_is_the_same_as_an_unkeyed_one(api, sent):
    other = sent | {"member_id": MemberFactory().pk}

    keyed_answer = api.post(URL, sent, **keyed("k"))
    unkeyed = api.post(URL, other)

    assert data_of(keyed_answer, 201).keys() == data_of(unkeyed, 201).keys()
    assert keyed_answer.headers.keys() == unkeyed.headers.keys()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("k", '"k"'),
        ('"k"', "k"),
        ("a b", '"a b"'),
        ("a/b:c=d;e,f", "a/b:c=d;e,f"),
        ("k" * 255, "k" * 255),
        ('"' + "k" * 255 + '"', "k" * 255),
        ("~", "~"),
        ('a"b', 'a"b'),
    ],
)
def test_a_key_is_the_same_quoted_or_bare(api, sent, first, second):
    data_of(api.post(URL, sent, **keyed(first)), 201)

    assert api.post(URL, sent, **keyed(second))["Idempotency-Replayed"] == "true"
    assert Loan.objects.count() == 1


@pytest.mark.parametrize(
    "key",
    [
        "",
        '""',
        " ",
        '"',
        '"k',
        '"a"b"',
        "k" * 256,
        '"' + "k" * 256 + '"',
        "é",
        "a\tb",
        "a\nb",
        "a\r\nX: y",
        "\0",
        " k",
        "k ",
    ],
)
def test_an_unusable_key_is_refused(api, sent, key):
    before = everything()

    response = api.post(URL, sent, **keyed(key))

    assert error_of(response, 400, "IDEMPOTENCY_KEY_INVALID") is None
    sentence = "An Idempotency-Key is 1 to 255 printable ASCII characters, quoted or bare."
    assert response.json()["error"]["message"] == sentence
    assert everything() == before


def test_a_key_belongs_to_one_request(api, sent):
    data_of(api.post(URL, sent, **keyed("k")), 201)
    before = everything()

    for response in (
        api.post(URL, sent | {"days": 7}, **keyed("k")),
        api.post(f"{URL}?x=1", sent, **keyed("k")),
        api.post("/api/reservations/", sent, **keyed("k")),
        raw(api, "POST", URL, f'{{"book_id": {sent["book_id"]}, "member_id": {sent["member_id"]}}}', **keyed("k")),
    ):
        assert error_of(response, 422, "IDEMPOTENCY_KEY_REUSED") is None
        assert message_of_error(response) == (
            "This Idempotency-Key was used for a different request. Use a new key for a new request."
        )
    assert everything() == before


def message_of_error(response):
    return response.json()["error"]["message"]


def test_the_slash_at_the_end_makes_no_difference(api, sent):
    data_of(api.post(URL, sent, **keyed("k")), 201)

    assert api.post(URL.rstrip("/"), sent, **keyed("k"))["Idempotency-Replayed"] == "true"


def test_another_caller_has_keys_of_their_own(api, sent, anyone, settings):
    settings.OPEN_DESK = True
    other = Client()
    other.force_authenticate(UserFactory(staff=True))

    data_of(api.post(URL, sent, **keyed("k")), 201)
    refusals_of(other.post(URL, sent, **keyed("k")), 409, "ALREADY_BORROWED")
    refusals_of(anyone.post(URL, sent, **keyed("k")), 409, "ALREADY_BORROWED")


def test_a_refusal_is_not_kept(api):
    loan = open_loan()
    member = MemberFactory()
    sent = {"member_id": member.pk, "barcode": loan.copy.barcode}

    refusals_of(api.post(URL, sent, **keyed("k")), 409, "COPY_ON_LOAN")
    assert StoredAnswer.objects.count() == 0
    data_of(api.post("/api/circulation/return/", {"loan_id": loan.pk}))

    data_of(api.post(URL, sent, **keyed("k")), 201)


def test_invalid_input_is_not_kept(api, sent):
    error_of(api.post(URL, {}, **keyed("k")), 400, "VALIDATION_ERROR")
    error_of(raw(api, "POST", URL, "{", **keyed("k")), 400, "MALFORMED_JSON")
    error_of(api.post(URL, sent | {"book_id": 47110815}, **keyed("k")), 404, "BOOK_NOT_FOUND")

    assert StoredAnswer.objects.count() == 0
    data_of(api.post(URL, sent, **keyed("k")), 201)


def test_the_answer_stays_what_it_was(api, sent):
    first = api.post(URL, sent, **keyed("k"))
    data_of(api.post("/api/circulation/return/", {"loan_id": data_of(first, 201)["loan"]["id"]}))

    again = api.post(URL, sent, **keyed("k"))

    assert again.content == first.content
    assert Loan.objects.active().count() == 0
    assert Event.objects.count() == 2
    assert message_of(again) == message_of(first)


def test_a_key_on_a_request_that_only_reads_means_nothing(api):
    data_of(api.get("/api/loans/", **keyed('"')))
    assert StoredAnswer.objects.count() == 0
