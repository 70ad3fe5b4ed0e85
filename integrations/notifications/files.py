"""Mails as files, for a machine without a mail server: each opens in a browser, and an index lists the newest first."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from html import escape, unescape
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone
from django.utils.text import slugify

INDEX = "index.html"
LISTED = 500
_STYLE = """\
<style>
:root { color-scheme: light dark; }
body { margin: 2em auto; max-width: 60em; padding: 0 1em; font: 1em/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; } th, td { text-align: start; padding: 0.2em 1em 0.2em 0; vertical-align: top; }
iframe { width: 100%; height: 34em; border: 1px solid #8888; background: Canvas; }
pre { white-space: pre-wrap; border: 1px solid #8888; padding: 1em; unicode-bidi: plaintext; }
</style>
"""


class MailFiles(BaseEmailBackend):
    """Writes each mail into MAIL_DIR instead of sending it."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        directory = Path(settings.MAIL_DIR)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(directory):
            for message in email_messages:
                _write(directory / _name(directory, str(message.subject)), _page(message))
            _write(directory / INDEX, _index(directory))
        return len(email_messages)


def _name(directory: Path, subject: str) -> str:
    """A name that is free, by which files stand in the order of time."""
    slug = slugify(subject, allow_unicode=True)[:60].encode()[:180].decode(errors="ignore")  # a name has 255 bytes
    base = f"{timezone.now():%Y-%m-%dT%H-%M-%S-%f}-{slug or 'mail'}"
    number = len(list(directory.glob(f"{base}*.html")))
    return f"{base}{f'-{number + 1}' if number else ''}.html"


def _page(message: EmailMessage) -> str:
    mail = message.message()
    texts = {part.get_content_type(): _text_of(part) for part in mail.walk() if not part.is_multipart()}
    headers = "".join(
        f"<tr><th>{escape(name)}</th><td dir=auto>{escape(shown)}</td></tr>\n"
        for name, shown in {**dict(mail.items()), "Subject": str(message.subject), "To": ", ".join(message.to)}.items()
    )
    # In a frame of its own, in which nothing runs.
    html = texts.get("text/html")
    frame = f'<iframe sandbox title="HTML" srcdoc="{escape(html)}"></iframe>\n' if html else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(str(message.subject))}</title>\n'
        f'<meta name="to" content="{escape(", ".join(message.to))}">\n{_STYLE}'
        f'<p><a href="{INDEX}">All mails</a></p>\n<h1 dir=auto>{escape(str(message.subject))}</h1>\n'
        f"<table>\n{headers}</table>\n{frame}<h2>As text</h2>\n"
        f"<pre dir=auto>{escape(texts.get('text/plain', ''))}</pre>\n</html>\n"
    )


def _text_of(part: Message[Any, Any]) -> str:
    return bytes(part.get_payload(decode=True) or b"").decode(errors="replace")


def _index(directory: Path) -> str:
    files = sorted((path for path in directory.glob("*.html") if path.name != INDEX), reverse=True)
    rows = "".join(_row(path) for path in files[:LISTED])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Mails</title>\n{_STYLE}<h1>Mails</h1>\n'
        f"<p>They were not sent: no mail server is set (EMAIL_URL).</p>\n"
        f"<table>\n<tr><th>When (UTC)</th><th>To</th><th>Subject</th></tr>\n{rows}</table>\n</html>\n"
    )


def _row(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        head = file.read(5000)
    title = re.search(r"<title>(.*?)</title>", head, re.DOTALL)
    to = re.search(r'<meta name="to" content="(.*?)">', head, re.DOTALL)
    when = path.name[:19].replace("T", " ")
    when = f"{when[:10]} {when[11:].replace('-', ':')}"
    subject = unescape(title[1]) if title else path.name
    link = f'<a href="{escape(path.name)}" dir=auto>{escape(subject)}</a>'
    return f"<tr><td>{when}</td><td>{to[1] if to else ''}</td><td>{link}</td></tr>\n"


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    unfinished = path.with_suffix(".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Of two who write at once, the second waits, so that the index lists both."""
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
