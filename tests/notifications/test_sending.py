"""What becomes of a notice at a mail server that behaves, and at one that does not."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from integrations.notifications import sending
from integrations.notifications.kinds import Kind
from integrations.notifications.models import Notice
from integrations.notifications.sending import send_due
from tests.factories import NOW
from tests.notifications.matters import notice_of, reader
from tests.notifications.post import free_port, silence

pytestmark = pytest.mark.django_db

REFUSED = "The mail server cannot be reached: Connection refused."


def now(notice):
    notice.refresh_from_db()
    return notice


def test_a_mail_is_sent_with_everything_that_a_mail_needs(post):
    notice = notice_of(Kind.OVERDUE, member=reader(first_name="Ada", email="ada@example.org"))

    done = send_due(NOW)

    mail = post.mail
    assert (done.sent, done.is_more) == (1, False)
    assert mail["To"] == "ada@example.org"
    assert mail["From"] == "Riverside Library <desk@library.example.org>"
    assert mail["Message-ID"] == notice.message_id
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "en"
    assert mail["Subject"] == f"Overdue: {notice.loan.book.title}"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.get_body(("plain",)).get_content().startswith("Hello Ada,\r\n")
    sent = now(notice)
    assert (sent.state, sent.sent_at, sent.due_at, sent.attempts, sent.why) == ("sent", NOW, None, 1, "")
    assert (sent.address, sent.subject, sent.language) == ("ada@example.org", mail["Subject"], "en")
    assert (sent.holder, sent.held_until) == ("", None)


def test_an_own_name_of_the_sender_is_kept(post, settings):
    settings.DEFAULT_FROM_EMAIL = "The desk <desk@library.example.org>"
    notice = notice_of(Kind.REGISTRATION)

    send_due(NOW)

    assert post.mail["From"] == "The desk <desk@library.example.org>"
    assert notice.message_id.endswith("@library.example.org>")


def test_what_was_sent_is_not_sent_again(post):
    notice_of(Kind.READY)

    assert [send_due(NOW).sent, send_due(NOW + timedelta(days=1)).sent] == [1, 0]

    assert len(post.mails) == 1


def test_what_is_not_due_yet_waits(post):
    notice = notice_of(Kind.READY, at=NOW + timedelta(seconds=1))

    assert send_due(NOW).sent == 0
    assert now(notice).state == "queued"
    assert send_due(NOW + timedelta(seconds=1)).sent == 1


def test_a_batch_is_sent_over_one_connection_oldest_first_and_more_is_said_to_wait(post, monkeypatch):
    monkeypatch.setattr(sending, "BATCH", 3)
    notices = [notice_of(Kind.REGISTRATION, at=NOW - timedelta(minutes=number)) for number in range(4)]

    first = send_due(NOW)

    assert (first.sent, first.is_more, post.connections) == (3, True, 1)
    assert post.ids == [notice.message_id for notice in reversed(notices[1:])]
    assert (send_due(NOW).sent, send_due(NOW).sent) == (1, 0)


def test_without_a_mail_server_nothing_is_sent_and_the_log_says_so(settings):
    settings.MAIL_IS_SET_UP = False
    notice = notice_of(Kind.READY)

    assert send_due(NOW).sent == 0
    assert (now(notice).state, notice.why) == ("dropped", "No mail server is set (EMAIL_URL).")


# --- A mail server that is away ----------------------------------------------------------------------------------


def test_nobody_listening_is_tried_again_ever_later_and_then_given_up(settings):
    settings.EMAIL_PORT = free_port()
    notice = notice_of(Kind.DUE_SOON)
    Notice.objects.update(kind="registration", loan=None)  # which stays true meanwhile
    waits, at = [], NOW

    while now(notice).due_at is not None:
        at = notice.due_at
        send_due(at)
        if now(notice).due_at is not None:
            assert (notice.state, notice.why) == ("queued", REFUSED)
            waits.append((notice.due_at - at) / timedelta(minutes=1))

    assert waits == [1, 5, 15, 60, 240, 720]
    assert (notice.state, notice.attempts, notice.why) == ("failed", 7, REFUSED)
    assert (notice.holder, notice.held_until) == ("", None)


def test_while_nobody_listens_one_notice_tries_for_all(settings):
    settings.EMAIL_PORT = free_port()
    notices = [notice_of(Kind.READY) for _ in range(5)]

    send_due(NOW)

    assert [now(notice).attempts for notice in notices] == [1, 0, 0, 0, 0]
    assert [notice.due_at for notice in notices] == [NOW + timedelta(minutes=1)] + [NOW] * 4
    assert {notice.held_until for notice in notices} == {None}  # whoever comes next may try at once


def test_a_server_that_never_says_hello_costs_one_time_limit(settings):
    notices = [notice_of(Kind.READY) for _ in range(3)]

    with silence() as port:
        settings.EMAIL_PORT = port
        send_due(NOW)

    assert [now(notice).attempts for notice in notices] == [1, 0, 0]
    assert notices[0].why.startswith("The mail server ")
    assert "timed out" in notices[0].why or "did not answer" in notices[0].why


def test_a_server_that_stalls_in_the_middle_is_left_alone_after_two_mails(post):
    notices = [notice_of(Kind.READY) for _ in range(4)]
    post.stalls = {notice.member.email for notice in notices}

    send_due(NOW)

    assert [now(notice).attempts for notice in notices] == [1, 1, 0, 0]
    assert "timed out" in notices[0].why
    assert [notice.state for notice in notices] == ["queued"] * 4


def test_a_connection_that_is_lost_after_the_mail_leaves_it_open_and_the_mail_goes_again_under_its_name(post):
    lost, other = notice_of(Kind.READY), notice_of(Kind.READY)
    post.drops = {lost.member.email}

    assert send_due(NOW).sent == 1

    assert post.connections == 2
    assert now(other).state == "sent"
    assert (now(lost).state, lost.attempts, lost.due_at) == ("queued", 1, NOW + timedelta(minutes=1))
    assert lost.why.startswith("The mail server closed the connection")
    post.drops = set()
    assert send_due(NOW + timedelta(minutes=1)).sent == 1
    assert Counter(post.seen) == {lost.message_id: 2, other.message_id: 1}
    assert (now(lost).state, lost.attempts, lost.why) == ("sent", 2, "")


# --- What it says ---------------------------------------------------------------------------------------------------


def test_an_address_that_is_refused_for_good_fails_at_once_and_the_others_go_on(post):
    refused, other = notice_of(Kind.READY), notice_of(Kind.READY)
    post.says_to = {refused.member.email: "550 No such user here"}

    assert send_due(NOW).sent == 1

    assert (now(refused).state, refused.attempts) == ("failed", 1)
    assert refused.why == "The mail server refused the address: 550 No such user here."
    assert refused.address == refused.member.email
    assert now(other).state == "sent"


def test_an_address_that_is_refused_for_now_is_tried_again(post):
    notice = notice_of(Kind.READY)
    post.says_to = {notice.member.email: "450 Mailbox busy"}

    send_due(NOW)

    assert (now(notice).state, notice.due_at) == ("queued", NOW + timedelta(minutes=1))
    assert notice.why == "The mail server refused the address: 450 Mailbox busy."
    post.says_to = {}
    assert send_due(notice.due_at).sent == 1


@pytest.mark.parametrize(("said", "state"), [("554 Spam", "failed"), ("451 Try later", "queued")])
def test_a_mail_that_is_refused_after_it_was_read(post, said, state):
    notice = notice_of(Kind.READY)
    post.data_says = {notice.member.email: said}

    send_due(NOW)

    assert (now(notice).state, notice.why) == (state, f"The mail server refused the mail: {said}.")


def test_many_addresses_that_are_refused_do_not_stop_the_others(post):
    refused = [notice_of(Kind.READY) for _ in range(5)]
    last = notice_of(Kind.READY)
    post.says_to = {notice.member.email: "451 Greylisted" for notice in refused}

    assert send_due(NOW).sent == 1
    assert now(last).state == "sent"


def test_an_address_that_no_mail_can_have_fails_at_once(post):
    member = reader(email="ada@example.org\nBcc: everybody@example.org")
    notice = notice_of(Kind.REGISTRATION, matter=member)
    other = notice_of(Kind.REGISTRATION)

    send_due(NOW)

    assert (now(notice).state, now(other).state) == ("failed", "sent")
    assert notice.why.startswith("The mail cannot be sent")


@pytest.mark.parametrize("hidden", ["ada", "victim=40example.net", "victim=40example.net=2C", "=3C", "=0D=0A", ""])
def test_an_address_that_hides_another_one_is_not_written_to(post, hidden):
    notice = notice_of(Kind.REGISTRATION, matter=reader(email=f"=?utf-8?q?{hidden}?=@example.org"))
    other = notice_of(Kind.REGISTRATION)

    send_due(NOW)

    assert (now(notice).state, now(other).state) == ("failed", "sent")
    assert notice.why == "The mail cannot be sent: “=?” cannot stand in an address."
    assert [mail["To"] for mail in post.mails] == [other.member.email]


@pytest.mark.parametrize("broken", ["letter_for", "_message"])
def test_a_mail_over_which_the_program_stumbles_holds_up_no_other(post, monkeypatch, caplog, broken):
    """The oldest, which comes first in every round."""
    notice = notice_of(Kind.READY, at=NOW - timedelta(minutes=1))
    other = notice_of(Kind.READY)
    working = getattr(sending, broken)

    def stumble(asked, *arguments):
        if asked.pk == notice.pk:
            raise IndexError("list index out of range")
        return working(asked, *arguments)

    monkeypatch.setattr(sending, broken, stumble)

    assert send_due(NOW).sent == 1

    assert (now(notice).state, now(other).state) == ("queued", "sent")
    assert notice.why == "The mail cannot be written: IndexError: list index out of range."
    assert (notice.attempts, notice.due_at, notice.holder) == (1, NOW + timedelta(minutes=1), "")
    assert f"Notice {notice.pk} cannot be sent." in caplog.text
    monkeypatch.undo()
    assert send_due(NOW + timedelta(minutes=1)).sent == 1


def test_what_a_server_says_at_length_is_kept_in_short(post):
    notice = notice_of(Kind.READY)
    post.says_to = {notice.member.email: "550 " + "x" * 400}

    send_due(NOW)

    assert len(now(notice).why) == 300


# --- Whose a notice is ---------------------------------------------------------------------------------------------


def test_a_notice_that_somebody_holds_is_left_to_them_until_their_time_is_over(post):
    notice = notice_of(Kind.READY)
    Notice.objects.update(holder="somebody", held_until=timezone.now() + timedelta(seconds=30))

    assert send_due(NOW).sent == 0

    Notice.objects.update(held_until=timezone.now() - timedelta(seconds=1))
    assert send_due(NOW).sent == 1
    assert now(notice).state == "sent"


def test_who_lost_a_notice_before_sending_it_does_not_send_it(post, monkeypatch):
    """As when a batch took longer than notices are held."""
    notices = [notice_of(Kind.READY) for _ in range(2)]
    take = sending._take

    def taken(holder, at):
        held = take(holder, at)
        Notice.objects.filter(pk=notices[0].pk).update(held_until=timezone.now() - timedelta(seconds=1))
        Notice.objects.filter(pk=notices[1].pk).update(holder="somebody")
        return held

    monkeypatch.setattr(sending, "_take", taken)

    assert send_due(NOW).sent == 0
    assert post.mails == []
    assert [now(notice).state for notice in notices] == ["queued", "queued"]


def test_who_lost_a_notice_while_sending_it_does_not_write_over_what_came_of_it(settings, monkeypatch):
    settings.EMAIL_PORT = free_port()
    notice = notice_of(Kind.READY)
    message = sending._message

    def slow(*args):
        Notice.objects.update(holder="", held_until=None, state="sent", due_at=None, sent_at=NOW)  # by somebody else
        return message(*args)

    monkeypatch.setattr(sending, "_message", slow)

    send_due(NOW)

    assert (now(notice).state, notice.why, notice.attempts) == ("sent", "", 0)


def test_what_somebody_else_queued_again_meanwhile_is_not_written_over_either(post, monkeypatch):
    notice = notice_of(Kind.READY)
    message = sending._message

    def slow(*args):
        Notice.objects.update(holder="somebody")
        return message(*args)

    monkeypatch.setattr(sending, "_message", slow)

    send_due(NOW)

    assert (now(notice).state, notice.holder) == ("queued", "somebody")


def test_a_notice_whose_member_was_deleted_meanwhile_is_no_matter(post, monkeypatch):
    notice, other = notice_of(Kind.REGISTRATION), notice_of(Kind.REGISTRATION)
    is_ours = sending._is_ours

    def deleted(notice_id, holder):
        ours = is_ours(notice_id, holder)
        if notice_id == notice.pk:
            notice.member.delete()
        return ours

    monkeypatch.setattr(sending, "_is_ours", deleted)

    assert send_due(NOW).sent == 1
    assert now(other).state == "sent"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_locked_and_no_transaction_is_open_while_the_server_is_spoken_to(post, monkeypatch):
    notice_of(Kind.READY)
    seen = []
    message = sending._message

    def looking(*args):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND pid = pg_backend_pid()")
            seen.append((cursor.fetchone()[0], connection.in_atomic_block))
        return message(*args)

    monkeypatch.setattr(sending, "_message", looking)

    send_due(NOW)

    assert seen == [(0, False)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_two_senders_at_once_send_each_of_many_once(post, monkeypatch):
    monkeypatch.setattr(sending, "BATCH", 7)
    notices = [notice_of(Kind.REGISTRATION) for _ in range(120)]
    counts = [0, 0]

    def send(number):
        try:
            while (done := send_due(NOW)).sent or Notice.objects.filter(state="queued").exists():
                counts[number] += done.sent
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert post.times == {notice.message_id: 1 for notice in notices}
    assert sum(counts) == 120
    assert min(counts) > 0
    assert set(Notice.objects.values_list("state", flat=True)) == {"sent"}
