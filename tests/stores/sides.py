"""Two services as they run in production: processes of their own, a database each, one Valkey."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import requests

from benchmarks.places import free_port
from tests.waiting import until

ROOT = Path(__file__).parents[2]
PROCESSES = {
    "web": ["-m", "config.web", "127.0.0.1"],
    "relay": ["manage.py", "relay_events"],
    "consumers": ["manage.py", "consume_events"],
}

# What both sides say of a library; who had what that ended is the public one's secret.
FACTS = {
    "branches": "SELECT id, name, time_zone, closing_times, closed_on FROM library_branch",
    "categories": "SELECT id, name FROM library_membercategory",
    "policies": "SELECT id, member_category_id, book_category, loan_days, max_loans FROM library_loanpolicy",
    "books": """
        SELECT id, title, authors, isbn, publisher, category, in_circulation, withdrawn_at IS NOT NULL FROM library_book
    """,
    "copies": "SELECT id, book_id, barcode, branch_id, status, holder_id, due_at FROM library_copy",
    "members": """
        SELECT id, card_number, first_name, last_name, email, category_id, branch_id, blocked_reason FROM library_member
    """,
    "loans": """
        SELECT id, book_id, copy_id, CASE WHEN returned_at IS NULL THEN member_id END, lent_at, due_at, returned_at,
               renewals
        FROM circulation_loan
    """,
    "reservations": """
        SELECT id, book_id, copy_id, status, priority, placed_at, shelf_until, needed_by,
               CASE WHEN status IN ('waiting', 'suspended', 'ready') THEN member_id END
        FROM reservations_reservation
    """,
}


class Side:
    """One of the two services."""

    def __init__(self, service, database_url, redis_url, events_url, prefix):
        self.service, self.database_url = service, database_url
        self.port = free_port()
        self.environment = os.environ | {
            "SERVICE": service,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "EVENTS_REDIS_URL": events_url,
            "CACHE_KEY_PREFIX": prefix,
            "OPEN_DESK": "true",
            "OPEN_DESK_I_UNDERSTAND": "true",
            "DATABASE_POOL_SIZE": "6",
        }
        self.running = {}
        self.session = requests.Session()

    def start(self, *names):
        for name in names or PROCESSES:
            command = [sys.executable, *PROCESSES[name], *([str(self.port)] if name == "web" else [])]
            self.running[name] = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        if "web" in (names or PROCESSES):
            until(self.answers, "the web server does not answer")
        return self

    def stop(self, *names, how=signal.SIGTERM):
        """Also of the other ones, unless some are named."""
        chosen = [(name, self.running.pop(name)) for name in names or list(self.running)]
        for _, process in chosen:
            process.send_signal(how)
        for _, process in chosen:
            process.wait(20)

    def kill(self, *names):
        self.stop(*names, how=signal.SIGKILL)

    def answers(self):
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/health/live", timeout=2).ok
        except requests.RequestException:
            return False

    def manage(self, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def ask(self, method, path, body=None, session=None, **options):
        return (session or self.session).request(
            method, f"http://127.0.0.1:{self.port}{path}", json=body, timeout=30, **options
        )

    def sql(self, query, *values):
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def facts(self):
        with psycopg.connect(self.database_url) as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return {name: sorted(connection.execute(query), key=lambda row: row[0]) for name, query in FACTS.items()}


def differing(one, other):
    """What the two sides do not say alike."""
    return {
        name: [row for row in (*one[name], *other[name]) if (row in one[name]) != (row in other[name])][:10]
        for name in FACTS
        if one[name] != other[name]
    }


def agree(public, admin, *, seconds=30):
    """Wait until both say the same. Raises AssertionError with what they do not."""
    until(
        lambda: not differing(public.facts(), admin.facts()),
        lambda: f"the two sides differ (public, admin): {differing(public.facts(), admin.facts())}",
        seconds=seconds,
    )
