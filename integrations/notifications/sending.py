"""Sends what is due, once as far as that can be: whoever sends again after a crash does so under the same Message-ID.

A sender holds some notices for a while, in their rows, and has no lock and no transaction open while it speaks to the
mail server. Before each it looks whether the notice is still its own, and still true; afterwards it writes down what
came of it, unless its time had run out and somebody else has the notice now.
"""

from __future__ import annotations

import logging
import os
import secrets
import smtplib
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from events.operations import operation
from integrations.notifications.models import Notice
from integrations.notifications.rendering import Letter, language_of, letter_for
from integrations.notifications.standing import why_not

logger = logging.getLogger(__name__)

SENT = Notice.State.SENT
BATCH = 50
HOLD = timedelta(seconds=120)  # longer than an attempt takes
# After each failure; then it is given up.
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720))
ENOUGH = 2  # lost connections, one after another, after which the mail server is left alone until the next round


@dataclass(frozen=True)
class Done:
    """What came of a round, and whether more was due."""

    sent: int
    is_more: bool


@dataclass(frozen=True)
class Failure:
    """Why the mail server did not take a mail, and whether it may yet."""

    why: str
    is_final: bool = False
    is_of_connection: bool = False


def send_due(at: datetime) -> Done:
    """Send up to a batch of what is due. Several may do so at once."""
    holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"
    held = _take(holder, at)
    mailer = _Mailer()
    sent = lost = 0
    try:
        for position, notice_id in enumerate(held):
            if not _is_ours(notice_id, holder):
                continue
            outcome = _attempt(notice_id, holder, mailer, at)
            sent += outcome is SENT
            lost = lost + 1 if isinstance(outcome, Failure) and outcome.is_of_connection else 0
            if lost >= ENOUGH or not mailer.was_reached:
                _let_go(held[position + 1 :], holder)
                return Done(sent, is_more=False)  # the schedule's next round will see
    finally:
        mailer.close()
    return Done(sent, is_more=len(held) == BATCH)


@operation
def send_again(*, notice_ids: Sequence[int], at: datetime) -> int:
    """Have these sent once more, as mails of their own. Returns how many. Not what is queued already."""
    chosen = Notice.objects.filter(pk__in=notice_ids).exclude(state=Notice.State.QUEUED)
    notices = list(chosen.order_by("pk").select_for_update(no_key=True))
    for notice in notices:
        notice.times += 1
        notice.message_id = notice.named()
        notice.state, notice.due_at, notice.attempts, notice.why = Notice.State.QUEUED, at, 0, ""
        notice.holder, notice.held_until, notice.sent_at = "", None, None
        notice.save()
    return len(notices)


# --- Whose a notice is --------------------------------------------------------------------------------------------


def _take(holder: str, at: datetime) -> list[int]:
    """Notices that are due and that nobody holds, the oldest first; ours for a while."""
    free = Notice.objects.filter(
        Q(held_until=None) | Q(held_until__lt=Now()), state=Notice.State.QUEUED, due_at__lte=at
    )
    with transaction.atomic(durable=True):
        rows = free.order_by("due_at", "pk").select_for_update(skip_locked=True, no_key=True)
        held = list(rows.values_list("pk", flat=True)[:BATCH])
        Notice.objects.filter(pk__in=held).update(holder=holder, held_until=Now() + HOLD)
    return held


def _ours(notice_id: int, holder: str) -> QuerySet[Notice]:
    return Notice.objects.filter(pk=notice_id, holder=holder, state=Notice.State.QUEUED)


def _is_ours(notice_id: int, holder: str) -> bool:
    """Whether it is still ours, which it then stays for another while."""
    return bool(_ours(notice_id, holder).filter(held_until__gt=Now()).update(held_until=Now() + HOLD))


def _let_go(notice_ids: Sequence[int], holder: str) -> None:
    Notice.objects.filter(pk__in=notice_ids, holder=holder).update(holder="", held_until=None)


# --- One of them --------------------------------------------------------------------------------------------------


def _attempt(notice_id: int, holder: str, mailer: _Mailer, at: datetime) -> Failure | Notice.State | None:
    """Send a notice if it is still true, and write down what came of it, which is also returned."""
    notice = (
        Notice.objects.select_related(
            "member__branch",
            "member__notice_preferences",
            "loan__book",
            "loan__copy__branch",
            "reservation__book",
            "reservation__branch",
            "reservation__copy",
        )
        .filter(pk=notice_id)
        .first()
    )
    if notice is None:  # its member was deleted
        return None
    ours = _ours(notice_id, holder)
    over: dict[str, Any] = {"due_at": None, "holder": "", "held_until": None}
    if reason := why_not(notice, at):
        ours.update(state=Notice.State.DROPPED, why=reason, **over)
        return Notice.State.DROPPED
    said: dict[str, Any] = {"attempts": notice.attempts + 1, "address": notice.member.email}
    failure: Failure | None
    try:
        letter = letter_for(notice, language_of(notice))
        said |= {"subject": letter.subject, "language": letter.language}
        failure = mailer.send(notice, letter)
    except DatabaseTrouble:
        raise
    except Exception as problem:  # a defect; it would come first in every round, and nobody else be written to
        logger.exception("Notice %s cannot be sent.", notice_id)
        mailer.close()
        failure = Failure(_told(f"The mail cannot be written: {type(problem).__name__}: {problem}"))
    if failure is None:
        ours.update(state=SENT, sent_at=at, why="", **said, **over)
        return SENT
    if failure.is_final or notice.attempts >= len(RETRIES):
        ours.update(state=Notice.State.FAILED, why=failure.why, **said, **over)
    else:
        next_attempt = {"due_at": at + RETRIES[notice.attempts]}
        ours.update(why=failure.why, **said, **(over | next_attempt))
    return failure


class _Mailer:
    """One connection for many mails, made when it is first needed and again after each failure."""

    def __init__(self) -> None:
        self._connection: Any = None
        self.was_reached = True  # when it was last tried

    def send(self, notice: Notice, letter: Letter) -> Failure | None:
        """One attempt. Returns why the server did not take the mail."""
        try:
            message = _message(notice, letter)
            if self._connection is None:
                self._open()
            message.connection = self._connection
            message.send()
        except (smtplib.SMTPException, OSError, ValueError) as problem:
            self.close()
            return failure_of(problem)
        return None

    def _open(self) -> None:
        self.was_reached = False
        connection = get_connection()
        connection.open()
        self._connection = connection
        self.was_reached = True

    def close(self) -> None:
        if self._connection is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._connection.close()
            self._connection = None


def _message(notice: Notice, letter: Letter) -> EmailMultiAlternatives:
    if "=?" in notice.member.email:  # an encoded word, which would be read, and the mail go to what it hides
        raise ValueError("“=?” cannot stand in an address")
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return EmailMultiAlternatives(
        letter.subject,
        letter.text,
        formataddr((name or settings.LIBRARY_NAME, address)),
        [notice.member.email],
        headers={
            "Message-ID": notice.message_id,
            "Auto-Submitted": "auto-generated",
            "Content-Language": letter.language,
        },
        alternatives=[(letter.html, "text/html")],
    )


def failure_of(problem: Exception) -> Failure:
    """What a failure means: what is wrong with this mail alone stays wrong; everything else may pass."""
    match problem:
        case smtplib.SMTPRecipientsRefused():
            code, answer = next(iter(problem.recipients.values()))
            return Failure(_told(f"The mail server refused the address: {code} {_text(answer)}"), is_final=code >= 500)
        case smtplib.SMTPDataError():
            why = f"The mail server refused the mail: {problem.smtp_code} {_text(problem.smtp_error)}"
            return Failure(_told(why), is_final=problem.smtp_code >= 500)
        case smtplib.SMTPNotSupportedError() | ValueError():
            return Failure(_told(f"The mail cannot be sent: {problem}"), is_final=True)
        case smtplib.SMTPServerDisconnected():
            return Failure(_told(f"The mail server closed the connection: {problem}"), is_of_connection=True)
        case smtplib.SMTPResponseException():
            return Failure(_told(f"The mail server said {problem.smtp_code} {_text(problem.smtp_error)}"))
        case TimeoutError():
            why = f"The mail server did not answer within {settings.EMAIL_TIMEOUT} seconds."
            return Failure(why, is_of_connection=True)
    told = getattr(problem, "strerror", None) or str(problem)
    return Failure(_told(f"The mail server cannot be reached: {told}"), is_of_connection=True)


def _text(said: bytes | str) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _told(text: str) -> str:
    shown = " ".join(text.replace("\0", "�").split()).rstrip(".")
    return f"{shown[:299]}."
