"""What is done without being asked, and when: the schedule that a new database begins with.

Afterwards it is the one that admins have under “Periodic tasks”. Times of day are in the library's time zone.
"""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab, schedule

MINUTE = 60  # seconds


def every(seconds: int, task: str, description: str) -> dict[str, Any]:
    """A round that was not run before the next one is due is left out."""
    return _entry(task, schedule(seconds), description, expires=seconds)


def daily(time: str, task: str, description: str) -> dict[str, Any]:
    """At this time, such as 03:30. Run late, but not a day late."""
    hour, minute = time.split(":")
    return _entry(task, crontab(hour=hour, minute=minute), description, expires=12 * 60 * MINUTE)


def _entry(task: str, when: Any, description: str, *, expires: int) -> dict[str, Any]:
    return {"task": task, "schedule": when, "description": description, "options": {"expire_seconds": expires}}


SCHEDULE = {
    "Show signs of life": every(
        MINUTE // 2, "events.tasks.show_life", "Writes down that workers are woken and at work: /health asks for it."
    ),
    "Serve the lines": every(
        MINUTE,
        "circulation.tasks.serve_lines",
        "Ends what was not collected or is no longer needed, and offers the copies to those next in line.",
    ),
    "Send notices": every(
        MINUTE,
        "integrations.notifications.tasks.send_notices",
        "Sends members what is due, and tries again what failed.",
    ),
    "Queue notices": every(
        15 * MINUTE,
        "integrations.notifications.tasks.queue_notices",
        "Reminds members of what is due soon, overdue, or waits for them on its last days.",
    ),
    "Count the day": daily(
        "00:10", "circulation.tasks.count_days", "Keeps the figures of the day that ended, for the statistics."
    ),
    "Resume jobs": every(
        MINUTE,
        "circulation.jobs.tasks.resume_jobs",
        "Goes on with imports and other jobs that wait: nobody was woken for them, or their worker died.",
    ),
    "Follow partner libraries": every(
        MINUTE,
        "integrations.partners.tasks.follow_reservations",
        "Asks partner libraries about reservations that they have not confirmed, and what became of the others.",
    ),
    "Forget old answers": every(
        60 * MINUTE,
        "events.tasks.forget_answers_and_publications",
        "Drops answers under an Idempotency-Key after a day, and what the stream of events no longer repeats.",
    ),
    "Forget old sign-ins": daily(
        "03:10", "accounts.tasks.forget_sign_ins", "Drops sessions and tokens that have expired, and failed sign-ins."
    ),
    "Forget who had what": daily(
        "03:20",
        "circulation.tasks.forget_history",
        "Anonymises what ended longer ago than HISTORY_DAYS, if that is set.",
    ),
    "Forget old jobs": daily(
        "03:25", "circulation.jobs.tasks.forget_jobs", "Drops jobs, and their files, 30 days after they ended."
    ),
    "Forget old webhook deliveries": daily(
        "03:30", "integrations.webhooks.tasks.forget_deliveries", "Drops the log of deliveries after 30 days."
    ),
    "Forget old notices": daily(
        "03:40", "integrations.notifications.tasks.forget_notices", "Drops the log of mails to members after 90 days."
    ),
    "Forget old partner reservations": daily(
        "03:45",
        "integrations.partners.tasks.forget_reservations",
        "Drops what was reserved at partner libraries 90 days after it ended, or after HISTORY_DAYS if that is less.",
    ),
    "Forget old log entries": daily(
        "03:50", "integrations.logbook.tasks.forget_entries", "Drops warnings and errors that are older than LOG_DAYS."
    ),
}
