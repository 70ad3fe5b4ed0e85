"""What is dropped when its time is over."""

from datetime import timedelta

import pytest

from events.models import StoredAnswer
from events.retention import forget_old_answers
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_answers_are_kept_for_a_day():
    common = {"caller": "open desk", "fingerprint": "", "status": 201, "body": b""}
    StoredAnswer.objects.create(key="old", created_at=NOW - timedelta(hours=24, seconds=1), **common)
    StoredAnswer.objects.create(key="young", created_at=NOW - timedelta(hours=23, minutes=59), **common)

    assert forget_old_answers(at=NOW) == 1
    assert [answer.key for answer in StoredAnswer.objects.all()] == ["young"]
