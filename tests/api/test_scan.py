"""POST /api/circulation/scan/: what a card or a barcode does at the desk."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from circulation.api import batch
from circulation.models import Loan
from events.exceptions import Busy
from library.models import Copy
from tests.api.asking import LOAN, data_of, error_of, everything, message_of, open_loan, refusals_of
from tests.factories import BookFactory, BranchFactory, CopyFactory, LoanFactory, MemberFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/circulation/scan/"
ADA = {"first_name": "Ada", "last_name": "Lovelace"}
NOTHING = {"member": None, "copy": None, "loan": None, "next": None, "undo": None}


@pytest.fixture
def ada():
    return MemberFactory(**ADA, card_number="M-17")


def scanned(api, code, **how):
    return api.post(URL, {"code": code, **how})


def shown(copy):
    """A copy as a scan tells of it."""
    copy.refresh_from_db()
    return {
        "barcode": copy.barcode,
        "book_id": copy.book_id,
        "title": copy.book.title,
        "branch": copy.branch.name,
        "status": copy.status,
    }


def test_a_card_is_shown_with_how_its_member_stands(api, ada):
    open_loan(member=ada)
    LoanFactory(member=ada, overdue=True)
    ready = ReservationFactory(ready=True, member=ada)
    before = everything()

    response = scanned(api, "M-17")

    assert data_of(response) == NOTHING | {
        "action": "member",
        "member": {
            "id": ada.pk,
            "name": "Ada Lovelace",
            "card_number": "M-17",
            "blocked_reason": "",
            "expires_on": None,
            "is_expired": False,
            "open_loans": 2,
            "overdue": 1,
            "to_collect": [
                {
                    "reservation_id": ready.pk,
                    "book_id": ready.book_id,
                    "title": ready.book.title,
                    "copy_barcode": ready.copy.barcode,
                    "branch": "Main Library",
                    "shelf_until": "2026-03-09T10:00:00Z",
                }
            ],
        },
    }
    assert message_of(response) == "Ada Lovelace: 2 on loan, 1 overdue, 1 to collect."
    assert everything() == before


def test_a_card_tells_what_speaks_against_lending(api):
    MemberFactory(**ADA, card_number="M-17", blocked_reason="lost a card", expires_on=date(2026, 3, 1))

    response = scanned(api, "M-17")

    assert data_of(response)["member"]["is_expired"] is True
    assert message_of(response) == "Ada Lovelace: 0 on loan. Membership ended on 2026-03-01. Blocked: lost a card"


def test_a_barcode_with_a_card_is_lent_to_that_member(api, ada):
    copy = CopyFactory()

    response = scanned(api, copy.barcode, card_number="M-17")

    data = data_of(response)
    assert (data["action"], data["next"]) == ("lent", None)
    assert set(data["loan"]) == LOAN
    assert (data["member"]["open_loans"], data["loan"]["member_id"]) == (1, ada.pk)
    assert data["copy"] == shown(copy) | {"status": "on_loan"}
    until = Loan.objects.get().due_at.date()
    assert message_of(response) == f"Copy {copy.barcode} lent to Ada Lovelace until {until}."


def test_what_the_member_has_already_is_shown(api, ada):
    loan = open_loan(member=ada)
    before = everything()

    response = scanned(api, loan.copy.barcode, card_number="M-17")

    data = data_of(response)
    assert (data["action"], data["loan"]["id"]) == ("shown", loan.pk)
    assert message_of(response) == f"Ada Lovelace has copy {loan.copy.barcode} already, until {loan.due_at.date()}."
    assert everything() == before


def test_what_somebody_else_has_is_refused_and_not_taken_from_them(api, ada):
    loan = open_loan()
    before = everything()

    response = scanned(api, loan.copy.barcode, card_number="M-17")

    refusals_of(response, 409, "COPY_ON_LOAN")
    assert everything() == before


def test_a_refusal_that_may_be_overridden_is_overridden(api):
    MemberFactory(card_number="M-18", blocked=True)
    copy = CopyFactory()

    [refusal] = refusals_of(scanned(api, copy.barcode, card_number="M-18"), 422, "MEMBER_BLOCKED")
    over = scanned(api, copy.barcode, card_number="M-18", override=["MEMBER_BLOCKED"], override_reason="Has it now")

    assert refusal["overridable"] is True
    assert data_of(over)["action"] == "lent"


def test_a_barcode_without_a_card_is_returned(api):
    loan = open_loan()
    waiting = ReservationFactory(book=loan.book, member=MemberFactory(first_name="Grace", last_name="Hopper"))

    response = scanned(api, loan.copy.barcode, card_number=None)

    data = data_of(response)
    assert (data["action"], data["member"]) == ("returned", None)
    assert data["loan"]["returned_at"] is not None
    assert (data["next"]["action"], data["next"]["reservation"]["id"]) == ("hold", waiting.pk)
    assert data["copy"] == shown(loan.copy) | {"status": "on_hold_shelf"}
    assert message_of(response) == f"Copy {loan.copy.barcode} returned. Put it on the hold shelf for Grace Hopper."


def test_a_return_elsewhere_is_sent_home(api):
    loan = open_loan()
    BranchFactory(name="Harbour")

    response = scanned(api, loan.copy.barcode, branch="Harbour")

    assert data_of(response)["next"] == {"action": "transit", "branch": "Main Library"}
    assert shown(loan.copy)["status"] == "in_transit"


def test_what_stands_on_the_hold_shelf_is_shown_with_whom_it_is_for(api):
    ready = ReservationFactory(
        ready=True,
        member=MemberFactory(first_name="Grace", last_name="Hopper"),
        shelf_until=timezone.now() + timedelta(days=3),
    )
    before = everything()

    response = scanned(api, ready.copy.barcode)

    data = data_of(response)
    assert (data["action"], data["next"]["action"], data["next"]["reservation"]["id"]) == ("shown", "hold", ready.pk)
    until = ready.shelf_until.date()
    assert message_of(response) == f"Copy {ready.copy.barcode} is set aside for Grace Hopper until {until}."
    assert everything() == before


@pytest.mark.parametrize("where", [{}, {"branch": "Main Library"}])
def test_what_is_in_transit_to_elsewhere_is_shown_with_where_it_goes(api, where):
    copy = CopyFactory(in_transit=True, branch=BranchFactory(name="Branch North"))
    before = everything()

    response = scanned(api, copy.barcode, **where)

    assert data_of(response)["next"] == {"action": "transit", "branch": "Branch North"}
    assert message_of(response) == f"Copy {copy.barcode} is on its way to Branch North. Send it on."
    assert everything() == before


def test_what_was_sent_here_is_received(api):
    copy = CopyFactory(in_transit=True)

    response = scanned(api, copy.barcode, branch="Main Library")

    data = data_of(response)
    assert (data["action"], data["loan"], data["next"]) == ("returned", None, {"action": "shelve"})
    assert data["copy"] == shown(copy) | {"status": "available"}
    assert message_of(response) == f"Copy {copy.barcode} came in. Put it back on the shelf."


@pytest.mark.parametrize(
    ("status", "step", "told"),
    [
        ("available", {"action": "shelve"}, "is available. Put it back on the shelf."),
        ("missing", None, "is missing in the records. Mark it as found."),
        ("lost", None, "is lost in the records. Mark it as found."),
        ("damaged", None, "is damaged. Keep it back until it is repaired."),
        ("withdrawn", None, "was withdrawn. It is not lent any more."),
    ],
)
def test_any_other_copy_is_shown_with_what_to_do(api, status, step, told):
    copy = CopyFactory(status=status)
    before = everything()

    response = scanned(api, copy.barcode)

    assert data_of(response) == NOTHING | {"action": "shown", "copy": shown(copy), "next": step}
    assert message_of(response) == f"Copy {copy.barcode} {told}"
    assert everything() == before


def test_what_is_free_and_belongs_elsewhere_is_to_be_sent_there(api):
    BranchFactory(name="Harbour")
    copy = CopyFactory()

    response = scanned(api, copy.barcode, branch="Harbour")

    assert data_of(response)["next"] == {"action": "transit", "branch": "Main Library"}
    assert message_of(response) == f"Copy {copy.barcode} is available and belongs to Main Library. Send it there."


def test_a_code_of_both_is_a_card_only_while_nobody_is_at_the_desk(api, ada):
    CopyFactory(barcode="M-18")
    MemberFactory(card_number="M-18")

    assert data_of(scanned(api, "M-18"))["action"] == "member"
    assert data_of(scanned(api, "M-18", card_number="M-17"))["action"] == "lent"


def test_the_next_member_takes_the_place_of_the_one_at_the_desk(api, ada):
    MemberFactory(card_number="M-18")

    assert data_of(scanned(api, "M-18", card_number="M-17"))["member"]["card_number"] == "M-18"


@pytest.mark.parametrize("withdrawn", [False, True])
def test_a_code_that_means_nothing_is_told_as_such(api, withdrawn):
    if withdrawn:
        CopyFactory(barcode="47110815", book=BookFactory(withdrawn=True))

    response = scanned(api, "47110815")

    error_of(response, 404, "COPY_NOT_FOUND")
    assert response.json()["error"]["message"] == "No copy and no card has the code 47110815."


def test_a_card_at_the_desk_that_nobody_has_lends_nothing(api):
    copy = CopyFactory()

    error_of(scanned(api, copy.barcode, card_number="M-99"), 404, "MEMBER_NOT_FOUND")

    assert shown(copy)["status"] == Copy.Status.AVAILABLE


def test_a_repeated_scan_is_answered_as_the_first(api):
    sent = {"code": open_loan().copy.barcode, "card_number": None}

    first, again = (api.post(URL, sent, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2))

    assert data_of(first)["action"] == "returned"
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"


def test_a_rehearsal_says_what_a_scan_would_do(api, ada):
    copy, loan = CopyFactory(), open_loan()
    before = everything()

    would = [
        data_of(api.post(f"{URL}?dry_run=true", sent))["would"]
        for sent in (
            {"code": "M-17"},
            {"code": copy.barcode, "card_number": "M-17"},
            {"code": loan.copy.barcode},
            {"code": copy.barcode},
        )
    ]

    assert would == ["member", "lend", "shelve", "show"]
    assert everything() == before


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_scans_of_a_batch_follow_the_card_scanned_before_them(api, ada, query):
    first, second, loan = CopyFactory(), CopyFactory(), open_loan()
    operations = [
        {"op": "scan", "code": first.barcode},
        {"op": "scan", "code": "M-17"},
        {"op": "scan", "code": second.barcode},
        {"op": "scan", "code": "47110815"},
        {"op": "scan", "code": loan.copy.barcode, "card_number": None},
        {"op": "scan", "code": first.barcode},
    ]

    response = api.post(f"/api/circulation/batch/{query}", {"operations": operations})

    results = data_of(response, 207)["results"]
    assert [result["status"] for result in results] == [200, 200, 200, 404, 200, 200]
    done = [result["body"]["data"] for result in results if result["status"] == 200]
    if query:
        assert [data["would"] for data in done] == ["show", "member", "lend", "shelve", "show"]
    else:
        assert [data["action"] for data in done] == ["shown", "member", "lent", "returned", "shown"]
        assert {loan.member_id for loan in Loan.objects.active()} == {ada.pk}


def test_scans_of_a_batch_go_on_with_the_turn_that_one_of_them_named(api, ada):
    first, second = CopyFactory(), CopyFactory()
    operations = [
        {"op": "scan", "code": first.barcode, "card_number": "M-17"},
        {"op": "scan", "code": second.barcode},
    ]

    results = data_of(api.post("/api/circulation/batch/", {"operations": operations}), 207)["results"]

    assert [result["body"]["data"]["action"] for result in results] == ["lent", "lent"]
    assert {loan.member_id for loan in Loan.objects.active()} == {ada.pk}


def test_scans_after_one_that_was_not_answered_wait_with_it(api, ada, monkeypatch):
    """It may have been the card of somebody else."""
    first, second, third = CopyFactory(), CopyFactory(), CopyFactory()
    done = batch.Batch._one

    def busy_for_the_second(self, index, asked):
        if asked["code"] == second.barcode:
            raise Busy
        return done(self, index, asked)

    monkeypatch.setattr(batch.Batch, "_one", busy_for_the_second)
    operations = [
        {"op": "scan", "code": "M-17"},
        {"op": "scan", "code": second.barcode},
        {"op": "scan", "code": first.barcode},
        {"op": "scan", "code": third.barcode, "card_number": "M-17"},
    ]

    results = data_of(api.post("/api/circulation/batch/", {"operations": operations}), 207)["results"]

    assert [result["status"] for result in results] == [200, 503, 503, 200]
    assert [loan.copy for loan in Loan.objects.active()] == [third]


@pytest.mark.parametrize(("kind", "budget"), [("card", 5), ("lent", 11), ("returned", 9), ("shown", 4)])
def test_a_scan_takes_few_round_trips(api, ada, kind, budget):
    ReservationFactory.create_batch(3, ready=True, member=ada)
    loan = open_loan()
    sent = {
        "card": {"code": "M-17"},
        "lent": {"code": CopyFactory().barcode, "card_number": "M-17"},
        "returned": {"code": loan.copy.barcode},
        "shown": {"code": CopyFactory().barcode},
    }[kind]

    with CaptureQueriesContext(connection) as captured:
        data_of(api.post(URL, sent))

    assert len(captured) == budget


# --- Undoing ---------------------------------------------------------------------------------------------------


def undo(api, data):
    return api.post("/api/circulation/undo/", {"event_id": data["undo"]})


def test_a_loan_that_was_a_slip_is_undone(api, ada):
    copy = CopyFactory()
    lent = data_of(scanned(api, copy.barcode, card_number="M-17"))

    response = undo(api, lent)

    data = data_of(response)
    assert (data["undone"], data["next"], data["loan"]["id"]) == ("checkout", {"action": "shelve"}, lent["loan"]["id"])
    assert message_of(response) == f"Copy {copy.barcode} is not lent any more. Put it back on the shelf."
    error_of(undo(api, lent), 422, "INVALID_TRANSITION")


def test_a_return_that_was_a_slip_is_undone(api, ada):
    loan = open_loan(member=ada)
    taken = data_of(scanned(api, loan.copy.barcode))

    response = undo(api, taken)

    data = data_of(response)
    assert (data["undone"], data["next"], data["loan"]["member_id"]) == ("return", None, ada.pk)
    assert message_of(response).startswith(f"Copy {loan.copy.barcode} is on loan to Ada Lovelace again, until ")


def test_what_changed_nothing_is_not_to_be_undone(api, ada):
    for code in ("M-17", CopyFactory().barcode):
        assert data_of(scanned(api, code))["undo"] is None
