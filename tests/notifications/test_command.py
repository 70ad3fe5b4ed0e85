"""`manage.py notices`: the log of mails in a terminal."""

import pytest
from django.core.management import call_command

from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice
from tests.factories import NOW
from tests.notifications.matters import notice_of, reader

pytestmark = pytest.mark.django_db


def shown(capsys, *arguments):
    call_command("notices", *arguments)
    return capsys.readouterr().out.splitlines()


def test_the_last_ones_are_shown_the_newest_below(capsys):
    first, second, third = (notice_of(Kind.REGISTRATION, matter=reader(card_number=f"C{n}")) for n in range(3))
    Notice.objects.filter(pk=second.pk).update(state="sent", subject="Welcome", due_at=None)
    Notice.objects.filter(pk=third.pk).update(state="failed", why="No such\x1b[31m address.", due_at=None)

    when = f"{NOW:%Y-%m-%dT%H:%M:%S}"
    assert shown(capsys, "-n", "2") == [
        f"{second.pk:>8}  {when}  sent    registration C1  Welcome",
        f"{third.pk:>8}  {when}  failed  registration C2  No such\\x1b[31m address.",
    ]
    assert [line.split()[0] for line in shown(capsys, "--state", "queued")] == [str(first.pk)]


def test_an_empty_log_says_so(capsys):
    assert shown(capsys) == ["There are none."]
    assert shown(capsys, "-n", "-1") == ["There are none."]
