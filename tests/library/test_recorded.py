"""Branches, categories of members and loan policies: whoever changes one leaves an event."""

import pytest

from events.models import Event
from library.exceptions import StaysWhereTwo
from library.models import Branch, LoanPolicy, MemberCategory

pytestmark = pytest.mark.django_db


def told():
    return [(event.kind, event.payload) for event in Event.objects.order_by("pk")]


def test_a_new_one_a_changed_one_and_a_deleted_one_are_told_with_what_changed():
    branch = Branch.objects.create(name="Harbour")
    branch.time_zone = "Europe/Berlin"
    branch.save()
    pk = branch.pk
    branch.delete()

    assert told() == [
        (
            "branch.saved",
            {
                "record": pk,
                "name": "Harbour",
                "changed": ["id", "name", "time_zone", "closing_times", "closed_on"],
                "changes": {
                    "name": [None, "Harbour"],
                    "time_zone": [None, "UTC"],
                    "closing_times": [None, ["23:59:59"] * 7],
                },
            },
        ),
        (
            "branch.saved",
            {
                "record": pk,
                "name": "Harbour",
                "changed": ["time_zone"],
                "changes": {"time_zone": ["UTC", "Europe/Berlin"]},
            },
        ),
        ("branch.deleted", {"record": pk, "name": "Harbour"}),
    ]


@pytest.mark.parametrize("model", [Branch, MemberCategory])
def test_where_there_are_two_services_what_the_other_one_may_refer_to_stays(settings, model):
    row = model.objects.create(name="Harbour")
    settings.SERVICE = "admin"

    with pytest.raises(StaysWhereTwo, match=r"^Where there are two services, .* are renamed, not removed\.$"):
        row.delete()
    assert model.objects.filter(name="Harbour").exists()


def test_saving_one_as_it_is_tells_nothing():
    branch = Branch.objects.get(name=Branch.MAIN)
    branch.save()

    assert told() == []


def test_the_policies_of_a_category_go_with_it_and_that_is_told():
    group = MemberCategory.objects.create(name="child")
    LoanPolicy.objects.create(member_category=group, max_loans=3)

    group.delete()

    assert [kind for kind, _ in told()] == ["category.saved", "policy.saved", "policy.deleted", "category.deleted"]
    assert not LoanPolicy.objects.filter(max_loans=3).exists()


def test_what_every_library_starts_with_is_no_event():
    assert Branch.objects.filter(name=Branch.MAIN).exists()
    assert LoanPolicy.objects.filter(member_category=None, book_category="").exists()
    assert told() == []
