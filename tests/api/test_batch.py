"""POST /api/circulation/batch/: many operations, each by itself."""

import pytest

from circulation.models import Loan
from events.models import Event, StoredAnswer
from tests.api.asking import data_of, error_of, everything, invalid_fields, message_of, open_loan
from tests.factories import BookFactory, CopyFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/circulation/batch/"


def results_of(response):
    data = data_of(response, 207)
    assert list(data) == ["results"]
    assert all(set(result) == {"status", "body"} for result in data["results"])
    return data["results"]


def statuses_of(response):
    return [result["status"] for result in results_of(response)]


def checkout(member=None, **what):
    return {"op": "checkout", "member_id": (member or MemberFactory()).pk, **what}


def test_each_operation_gets_the_answer_that_it_would_get_alone(api):
    book, lent = BookFactory(copies=1), open_loan()
    wanted = open_loan().book
    cancelled, ready, head = ReservationFactory(), ReservationFactory(ready=True), ReservationFactory(ready=True)
    operations = [
        checkout(book_id=book.pk),
        {"op": "renew", "loan_id": lent.pk},
        {"op": "return", "barcode": lent.copy.barcode},
        {"op": "reserve", "member_id": MemberFactory().pk, "book_id": wanted.pk},
        {"op": "cancel", "reservation_id": cancelled.pk, "reason": "x"},
        {"op": "fulfill", "reservation_id": ready.pk},
        {"op": "fulfill_head", "book_id": head.book_id},
    ]

    response = api.post(URL, {"operations": operations})

    results = results_of(response)
    assert [result["status"] for result in results] == [201, 200, 200, 201, 200, 200, 200]
    assert all(list(result["body"]) == ["success", "message", "data"] for result in results)
    lending, renewal, return_, place, cancellation, fulfilment, of_head = (result["body"] for result in results)
    assert lending["data"]["loan"] == data_of(api.get(f"/api/loans/{lending['data']['loan']['id']}/"))
    assert renewal["data"]["renewals"] == 1
    assert return_["data"]["next"] == {"action": "shelve"}
    assert return_["message"] == f"Copy {lent.copy.barcode} returned. Put it back on the shelf."
    assert place["data"] == data_of(api.get(f"/api/reservations/{place['data']['id']}/"))
    assert cancellation["data"]["status"] == "cancelled"
    assert (fulfilment["data"]["member_id"], of_head["data"]["member_id"]) == (ready.member_id, head.member_id)
    assert message_of(response) == "7 of 7 done."


def test_a_bad_operation_in_the_middle_leaves_the_others_alone(api):
    first, last = BookFactory(copies=1), BookFactory(copies=1)
    nobody = checkout(book_id=first.pk) | {"member_id": 47110815}
    operations = [
        checkout(book_id=first.pk),
        {"op": "checkout", "member_id": "x"},
        {"op": "destroy"},
        {},
        nobody,
        {"op": "return", "barcode": CopyFactory().barcode},
        checkout(member=MemberFactory(blocked=True), book_id=last.pk),
        checkout(book_id=last.pk, nonsense=1),
        checkout(book_id=last.pk),
    ]

    response = api.post(URL, {"operations": operations})

    results = results_of(response)
    assert [result["status"] for result in results] == [201, 400, 400, 400, 404, 409, 422, 400, 201]
    errors = [result["body"]["error"] for result in results[1:-1]]
    assert [error["code"] for error in errors] == [
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
        "VALIDATION_ERROR",
        "MEMBER_NOT_FOUND",
        "COPY_NOT_ON_LOAN",
        "MEMBER_BLOCKED",
        "VALIDATION_ERROR",
    ]
    assert all(error["status_code"] == result["status"] for error, result in zip(errors, results[1:-1], strict=True))
    assert list(errors[0]["details"]) == ["member_id"]
    operation_names = "checkout, return, renew, scan, reserve, cancel, fulfill, fulfill_head"
    unknown = {"op": [{"code": "invalid", "message": f"Write one of {operation_names}."}]}
    assert (errors[1]["details"], errors[2]["details"]) == (unknown, unknown)
    assert [refusal["code"] for refusal in errors[5]["details"]["refusals"]] == ["MEMBER_BLOCKED"]
    assert list(errors[6]["details"]) == ["nonsense"]
    assert message_of(response) == "2 of 9 done."
    assert set(Loan.objects.values_list("book", flat=True)) == {first.pk, last.pk}


def test_operations_happen_in_order(api):
    copy, ada, grace = CopyFactory(), MemberFactory(), MemberFactory()
    operations = [
        checkout(ada, barcode=copy.barcode),
        checkout(grace, barcode=copy.barcode),
        {"op": "return", "barcode": copy.barcode},
        checkout(grace, barcode=copy.barcode),
    ]

    assert statuses_of(api.post(URL, {"operations": operations})) == [201, 409, 200, 201]
    assert Loan.objects.active().get().member == grace


def test_a_hundred_operations_are_enough(api):
    operations = [{"op": "return", "barcode": "x"}] * 100

    assert statuses_of(api.post(URL, {"operations": operations})) == [404] * 100
    before = everything()
    too_many = api.post(URL, {"operations": [*operations, checkout(book_id=BookFactory(copies=1).pk)]})
    assert invalid_fields(too_many) == {"operations": "max_length"}
    assert everything().keys() == before.keys()
    assert Event.objects.count() == 0


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"operations": "required"}),
        ({"operations": []}, {"operations": "min_length"}),
        ({"operations": {}}, {"operations": "not_a_list"}),
        ({"operations": "checkout"}, {"operations": "not_a_list"}),
        ({"operations": ["checkout"]}, {"operations.0": "not_a_dict"}),
        ({"operations": [{}, None]}, {"operations.1": "null"}),
        ({"operations": [{}], "atomic": True}, {"atomic": "unknown"}),
    ],
)
def test_what_a_batch_cannot_be(api, sent, complaints):
    assert invalid_fields(api.post(URL, sent)) == complaints


@pytest.mark.parametrize("op", [None, 1, [], {}, "", "CHECKOUT", "__class__", "mark_lost", ["checkout"]])
def test_only_operations_of_the_desk_can_be_named(api, op):
    [result] = results_of(api.post(URL, {"operations": [{"op": op}]}))

    assert (result["status"], list(result["body"]["error"]["details"])) == (400, ["op"])


# --- Rehearsed ---------------------------------------------------------------------------------------------


def test_a_rehearsed_batch_changes_nothing(api):
    book = BookFactory(copies=1)
    operations = [checkout(book_id=book.pk), checkout(book_id=book.pk), {"op": "fulfill_head", "book_id": book.pk}]
    before = everything()

    results = results_of(api.post(f"{URL}?dry_run=true", {"operations": operations}))

    assert [result["status"] for result in results] == [200, 200, 200]
    lend, again, refuse = (result["body"]["data"] for result in results)
    assert lend == {"would": "lend", "refusals": []}
    assert again == lend  # each is rehearsed by itself
    assert refuse["would"] == "refuse"
    assert [refusal["code"] for refusal in refuse["refusals"]] == ["QUEUE_EMPTY"]
    assert everything() == before


def test_a_rehearsal_is_asked_for_clearly_or_not_at_all(api):
    operations = [checkout(book_id=BookFactory(copies=1).pk)]

    assert invalid_fields(api.post(f"{URL}?dry_run=1", {"operations": operations})) == {"dry_run": "invalid"}


# --- Repeated ----------------------------------------------------------------------------------------------


def test_each_operation_has_its_own_key_within_that_of_the_batch(api):
    ada, free, lent = MemberFactory(), BookFactory(copies=1), open_loan()
    blocked = MemberFactory(blocked=True)
    operations = [
        checkout(ada, book_id=free.pk),
        checkout(blocked, book_id=lent.book_id),
        {"op": "return", "loan_id": lent.pk},
    ]
    headers = {"HTTP_IDEMPOTENCY_KEY": "batch"}

    first = api.post(URL, {"operations": operations}, **headers)
    assert statuses_of(first) == [201, 422, 200]
    blocked.blocked_reason = ""
    blocked.save()
    events = Event.objects.count()
    second = api.post(URL, {"operations": operations}, **headers)

    assert statuses_of(second) == [201, 201, 200]  # what was done is repeated, what was refused may now succeed
    assert results_of(second)[0] == results_of(first)[0]
    assert results_of(second)[2] == results_of(first)[2]
    assert Event.objects.count() == events + 1
    assert StoredAnswer.objects.count() == 3


def test_a_key_of_another_batch_is_refused_in_each_operation(api):
    headers = {"HTTP_IDEMPOTENCY_KEY": "batch"}
    book = BookFactory(copies=2)
    assert statuses_of(api.post(URL, {"operations": [checkout(book_id=book.pk)]}, **headers)) == [201]

    [result] = results_of(api.post(URL, {"operations": [checkout(book_id=book.pk)]}, **headers))

    assert (result["status"], result["body"]["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_the_longest_key_serves_a_batch(api):
    headers = {"HTTP_IDEMPOTENCY_KEY": "k" * 255}
    operations = [{"op": "return", "barcode": "x"}] * 99 + [checkout(book_id=BookFactory(copies=1).pk)]

    first, second = (api.post(URL, {"operations": operations}, **headers) for _ in range(2))

    assert statuses_of(first) == statuses_of(second) == [404] * 99 + [201]
    assert Loan.objects.count() == 1


def test_a_batch_and_a_request_of_its_own_share_no_key(api):
    ada, book = MemberFactory(), BookFactory(copies=2)
    own = {"HTTP_IDEMPOTENCY_KEY": "k#0"}
    data_of(api.post("/api/circulation/checkout/", {"member_id": ada.pk, "book_id": book.pk}, **own), 201)

    batch = api.post(URL, {"operations": [checkout(book_id=book.pk)]}, HTTP_IDEMPOTENCY_KEY="k")

    assert statuses_of(batch) == [201]


def test_an_unusable_key_refuses_the_batch(api):
    operations = [checkout(book_id=BookFactory(copies=1).pk)]

    error_of(api.post(URL, {"operations": operations}, HTTP_IDEMPOTENCY_KEY="é"), 400, "IDEMPOTENCY_KEY_INVALID")
    assert Loan.objects.count() == 0
