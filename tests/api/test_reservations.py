"""The line: joining, leaving, suspending, reordering, reading."""

from datetime import timedelta

import pytest
from django.utils import timezone

from events.models import Event
from reservations.models import Reservation
from tests.api.asking import (
    RESERVATION,
    data_of,
    error_of,
    everything,
    invalid_fields,
    message_of,
    open_loan,
    refusals_of,
)
from tests.api.signing import signed_in
from tests.factories import (
    BookFactory,
    BranchFactory,
    CopyFactory,
    MemberFactory,
    ReservationFactory,
    UserFactory,
    general_policy,
)

pytestmark = pytest.mark.django_db

URL = "/api/reservations/"


@pytest.fixture
def ada():
    return MemberFactory(first_name="Ada", last_name="Lovelace")


@pytest.fixture
def lent():
    """A title of which nothing is free."""
    return open_loan(book__title="Emma").book


# --- Joining -----------------------------------------------------------------------------------------------


def test_a_member_joins_the_line(api, ada, lent):
    response = api.post(URL, {"member_id": ada.pk, "book_id": lent.pk})

    data = data_of(response, 201)
    reservation = Reservation.objects.get()
    assert data == {
        "id": reservation.pk,
        "book_id": lent.pk,
        "title": "Emma",
        "member_id": ada.pk,
        "status": "waiting",
        "position": 1,
        "placed_at": reservation.placed_at.isoformat().replace("+00:00", "Z"),
        "estimated_wait_days": 28,
        "shelf_until": None,
        "needed_by": None,
        "copy_barcode": None,
        "branch": "Main Library",
    }
    assert set(data) == RESERVATION
    assert message_of(response) == "“Emma” reserved for Ada Lovelace, place 1 in the line."
    assert response["Location"] == f"/api/reservations/{reservation.pk}/"
    assert data_of(api.get(response["Location"])) == data


@pytest.mark.parametrize(
    ("zone", "needed_by", "kept"),
    [
        ("UTC", "2999-12-31", "2999-12-31T23:59:59Z"),
        ("Asia/Tokyo", "2999-12-31", "2999-12-31T14:59:59Z"),
        ("Asia/Tokyo", "2999-12-31T12:00", "2999-12-31T03:00:00Z"),
        ("Asia/Tokyo", "2999-12-31T12:00:00+01:00", "2999-12-31T11:00:00Z"),
        ("UTC", "2999-12-31T23:59:59-23:59", "3000-01-01T23:58:59Z"),
        ("UTC", "2999-01-01T00:00:00+23:59", "2998-12-31T00:01:00Z"),
    ],
)
def test_needed_by_is_the_branches_time_unless_it_names_its_own(api, ada, lent, zone, needed_by, kept):
    BranchFactory(name="Ostend", time_zone=zone)

    sent = {"member_id": ada.pk, "book_id": lent.pk, "branch": "ostend", "needed_by": needed_by}
    data = data_of(api.post(URL, sent), 201)

    assert (data["needed_by"], data["branch"]) == (kept, "Ostend")


@pytest.mark.parametrize("who", ["staff", "ada"])
def test_where_no_branch_is_named_it_is_the_time_of_the_members_own(api, lent, who):
    tokyo = BranchFactory(name="Tokyo", time_zone="Asia/Tokyo")
    ada = MemberFactory(branch=tokyo, user=UserFactory())
    client, named = (api, {"member_id": ada.pk}) if who == "staff" else (signed_in(ada.user), {})

    data = data_of(client.post(URL, {"book_id": lent.pk, "needed_by": "2999-12-31", **named}), 201)

    assert (data["needed_by"], data["branch"]) == ("2999-12-31T14:59:59Z", "Tokyo")


def test_what_is_free_need_not_be_reserved(api, ada):
    book = BookFactory(title="Emma", copies=2)
    before = everything()

    [reason] = refusals_of(api.post(URL, {"member_id": ada.pk, "book_id": book.pk}), 409, "COPY_AVAILABLE")

    assert reason == {
        "code": "COPY_AVAILABLE",
        "message": "“Emma” need not be reserved: it can be borrowed now.",
        "overridable": False,
        "available": 2,
    }
    assert everything() == before


def test_all_reasons_against_a_reservation_are_given_at_once(api):
    general_policy(max_reservations=0)
    ada = MemberFactory(blocked=True, expired=True)
    book = open_loan(member=ada).book
    CopyFactory(book=book)
    before = everything()

    response = api.post(URL, {"member_id": ada.pk, "book_id": book.pk})

    codes = ["MEMBER_BLOCKED", "MEMBER_EXPIRED", "RESERVATION_LIMIT_REACHED", "ALREADY_BORROWED", "COPY_AVAILABLE"]
    refusals_of(response, 422, *codes)
    assert everything() == before


def test_staff_override_what_can_be(api, lent):
    general_policy(max_reservations=0)
    ada = MemberFactory(blocked=True, expired=True)
    codes = ["MEMBER_BLOCKED", "MEMBER_EXPIRED", "RESERVATION_LIMIT_REACHED"]
    override = {"override": codes, "override_reason": "Interlibrary loan"}

    data_of(api.post(URL, {"member_id": ada.pk, "book_id": lent.pk, **override}), 201)

    assert Event.objects.get().payload["override"] == {"codes": codes, "reason": "Interlibrary loan"}


def test_nobody_stands_in_a_line_twice(api, ada, lent):
    data_of(api.post(URL, {"member_id": ada.pk, "book_id": lent.pk}), 201)

    refusals_of(api.post(URL, {"member_id": ada.pk, "book_id": lent.pk}), 409, "RESERVATION_EXISTS")


def test_what_is_out_of_circulation_cannot_be_reserved(api, ada):
    book = BookFactory(out_of_circulation=True, copies=1)

    refusals_of(api.post(URL, {"member_id": ada.pk, "book_id": book.pk}), 422, "COPY_NOT_CIRCULATING")


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"book_id": "required"}),
        ({"member_id": None}, {"member_id": "null"}),
        ({"needed_by": "2020-01-01"}, {"needed_by": "past"}),
        ({"needed_by": "0001-01-01"}, {"needed_by": "range"}),
        ({"needed_by": "9999-12-31T23:59:59Z"}, {"needed_by": "range"}),
        ({"needed_by": "2026-02-30"}, {"needed_by": "invalid"}),
        ({"needed_by": "2999-12-31T23:59:59+24:00"}, {"needed_by": "invalid"}),
        ({"needed_by": "tomorrow"}, {"needed_by": "invalid"}),
        ({"needed_by": "29981231"}, {"needed_by": "invalid"}),
        ({"needed_by": 1798675199}, {"needed_by": "invalid"}),
        ({"needed_by": None}, {"needed_by": "null"}),
        ({"branch": "Nowhere"}, {"branch": "does_not_exist"}),
        ({"priority": -1}, {"priority": "unknown"}),
    ],
)
def test_what_a_reservation_cannot_be(api, ada, lent, sent, complaints):
    known = {"member_id": ada.pk, "book_id": lent.pk} if sent else {}

    assert invalid_fields(api.post(URL, known | sent)) == complaints
    assert Reservation.objects.count() == 0


def test_who_reserves_what_must_exist(api, ada, lent):
    error_of(api.post(URL, {"member_id": 47110815, "book_id": lent.pk}), 404, "MEMBER_NOT_FOUND")
    error_of(api.post(URL, {"member_id": ada.pk, "book_id": 47110815}), 404, "BOOK_NOT_FOUND")


# --- Leaving, pausing, moving ------------------------------------------------------------------------------


def test_leaving_the_line_hands_on_what_was_set_aside(api):
    ready = ReservationFactory(ready=True, book__title="Emma")
    following = ReservationFactory(book=ready.book)

    response = api.post(f"{URL}{ready.pk}/cancel/", {"reason": "moved away"})

    data = data_of(response)
    assert set(data) == RESERVATION
    assert (data["status"], data["position"], data["copy_barcode"]) == ("cancelled", None, None)
    assert message_of(response) == "The reservation of “Emma” is cancelled."
    assert Event.objects.get(kind="cancel").payload == {"reason": "moved away"}
    following.refresh_from_db()
    assert (following.status, following.copy) == ("ready", ready.copy)


def test_a_reservation_is_suspended_and_resumed_at_its_place(api, lent):
    first, _ = ReservationFactory(book=lent), ReservationFactory(book=lent)

    suspended = api.post(f"{URL}{first.pk}/suspend/")
    resumed = api.post(f"{URL}{first.pk}/resume/", {})

    assert (data_of(suspended)["status"], data_of(suspended)["position"]) == ("suspended", 1)
    assert message_of(suspended) == "The reservation of “Emma” is suspended and keeps its place."
    assert (data_of(resumed)["status"], data_of(resumed)["position"]) == ("waiting", 1)
    assert message_of(resumed) == "The reservation of “Emma” is resumed at place 1."


def test_resuming_beside_a_free_copy_serves_at_once(api):
    suspended = ReservationFactory(suspended=True, book__title="Emma")
    copy = CopyFactory(book=suspended.book)

    response = api.post(f"{URL}{suspended.pk}/resume/")

    data = data_of(response)
    assert (data["status"], data["position"], data["copy_barcode"]) == ("ready", 0, copy.barcode)
    assert message_of(response) == "A copy of “Emma” is set aside for this reservation."


def test_reserving_before_those_moved_back_may_serve_at_once(api, ada):
    copy = CopyFactory(book__title="Emma")
    ReservationFactory(book=copy.book, priority=5)

    response = api.post(URL, {"member_id": ada.pk, "book_id": copy.book_id})

    assert data_of(response, 201)["status"] == "ready"
    assert message_of(response) == "“Emma” reserved for Ada Lovelace, and a copy is set aside."


def test_staff_move_a_reservation_forward_with_a_reason(api, lent):
    ReservationFactory(book=lent)
    last = ReservationFactory(book=lent)

    response = api.post(f"{URL}{last.pk}/reorder/", {"priority": -1, "reason": "reading group"})

    assert data_of(response)["position"] == 1
    assert message_of(response) == "The reservation of “Emma” is now at place 1."
    assert Event.objects.get().payload == {"before": 0, "priority": -1, "reason": "reading group"}


def test_a_line_that_changed_is_not_reordered(api, ada, lent):
    first = ReservationFactory(book=lent)
    queue = f"/api/books/{lent.pk}/queue/"
    seen = data_of(api.get(queue))["version"]
    data_of(api.post(URL, {"member_id": ada.pk, "book_id": lent.pk}), 201)
    sent = {"priority": 5, "reason": "x"}
    before = everything()

    details = error_of(api.post(f"{URL}{first.pk}/reorder/", sent | {"version": seen}), 409, "STALE_QUEUE")
    assert everything() == before
    assert details == {"version": data_of(api.get(queue))["version"]}

    moved = data_of(api.post(f"{URL}{first.pk}/reorder/", sent | {"version": details["version"]}))
    assert moved["position"] == 2


@pytest.mark.parametrize("action", ["cancel", "suspend", "resume", "reorder", "fulfill"])
def test_what_has_ended_stays_ended(api, action):
    over = ReservationFactory(cancelled=True)
    sent = {"priority": 1, "reason": "x"} if action == "reorder" else {}
    before = everything()

    [reason] = refusals_of(api.post(f"{URL}{over.pk}/{action}/", sent), 409, "RESERVATION_CLOSED")

    assert reason == {
        "code": "RESERVATION_CLOSED",
        "message": "This reservation was already cancelled.",
        "overridable": False,
        "status": "cancelled",
    }
    assert everything() == before


@pytest.mark.parametrize(
    ("action", "state", "sentence"),
    [
        ("suspend", "ready", "This reservation is ready for pick-up and cannot become suspended."),
        ("suspend", "suspended", "This reservation is suspended and cannot become suspended."),
        ("resume", "waiting", "This reservation is not suspended."),
        ("resume", "ready", "This reservation is not suspended."),
    ],
)
def test_a_reservation_cannot_go_just_anywhere(api, action, state, sentence):
    reservation = ReservationFactory(**({} if state == "waiting" else {state: True}))
    before = everything()

    [reason] = refusals_of(api.post(f"{URL}{reservation.pk}/{action}/"), 422, "INVALID_TRANSITION")

    assert (reason["message"], reason["status"]) == (sentence, state)
    assert everything() == before


@pytest.mark.parametrize("action", ["", "cancel/", "suspend/", "resume/", "reorder/", "fulfill/"])
def test_an_unknown_reservation_is_not_found(api, action):
    url = f"{URL}47110815/{action}"
    sent = {"priority": 1, "reason": "x"} if action == "reorder/" else {}
    response = api.post(url, sent) if action else api.get(url)

    assert error_of(response, 404, "RESERVATION_NOT_FOUND") is None
    assert response.json()["error"]["message"] == "There is no reservation 47110815."


@pytest.mark.parametrize(
    ("sent", "complaints"),
    [
        ({}, {"priority": "required", "reason": "required"}),
        ({"priority": 1001, "reason": ""}, {"priority": "max_value", "reason": "blank"}),
        ({"priority": -1001, "reason": "x" * 301}, {"priority": "min_value", "reason": "max_length"}),
        (
            {"priority": "1", "reason": 1, "version": "2"},
            {"priority": "invalid", "reason": "invalid", "version": "invalid"},
        ),
    ],
)
def test_what_a_reordering_cannot_be(api, lent, sent, complaints):
    reservation = ReservationFactory(book=lent)

    assert invalid_fields(api.post(f"{URL}{reservation.pk}/reorder/", sent)) == complaints


# --- Reading -----------------------------------------------------------------------------------------------


def test_the_line_is_read_in_order_with_its_version(api, lent):
    later, first = ReservationFactory(book=lent), ReservationFactory(book=lent, priority=-1)
    paused = ReservationFactory(book=lent, suspended=True)
    ready = ReservationFactory(book=lent, ready=True, priority=3)
    ReservationFactory(book=lent, cancelled=True)
    ReservationFactory()

    data = data_of(api.get(f"/api/books/{lent.pk}/queue/"))

    assert list(data) == ["book_id", "version", "reservations"]
    assert (data["book_id"], data["version"]) == (lent.pk, 0)
    assert all(set(reservation) == RESERVATION for reservation in data["reservations"])
    assert [(line["id"], line["position"]) for line in data["reservations"]] == [
        (first.pk, 1),
        (later.pk, 2),
        (paused.pk, 3),
        (ready.pk, 0),
    ]


def test_reservations_are_listed_by_state_member_and_title(api):
    states = ["waiting", "suspended", "ready", "fulfilled", "cancelled", "expired"]
    made = {state: ReservationFactory(**({} if state == "waiting" else {state: True})) for state in states}

    def ids(query):
        return [found["id"] for found in data_of(api.get(f"{URL}?{query}"))["results"]]

    for state, reservation in made.items():
        assert ids(f"status={state}") == [reservation.pk]
    assert ids("status=live") == [made[state].pk for state in states[:3]]
    assert ids(f"member={made['ready'].member_id}") == [made["ready"].pk]
    assert ids(f"book={made['expired'].book_id}&status=live") == []
    assert ids("ordering=-placed_at") == [made[state].pk for state in reversed(states)]


def test_a_place_in_line_waits_for_so_many_returns(api):
    book = BookFactory()
    now = timezone.now()
    open_loan(book=book)
    CopyFactory(book=book, on_loan=True, due_at=now + timedelta(days=3))
    line = ReservationFactory.create_batch(4, book=book)

    results = data_of(api.get(f"{URL}?book={book.pk}"))["results"]

    assert [(row["id"], row["position"], row["estimated_wait_days"]) for row in results] == [
        (line[0].pk, 1, 3),
        (line[1].pk, 2, 28),
        (line[2].pk, 3, 31),
        (line[3].pk, 4, 56),
    ]
