"""Where PostgreSQL is, and in what manner it is asked: straight, or through PgBouncer in transaction mode."""

from __future__ import annotations

from typing import Any

import dj_database_url
from django.db import DEFAULT_DB_ALIAS

from rest.replica import REPLICA

# What holds in every session of ours. A request waits at most so long for another one's locks, then answers 503 BUSY;
# and words are taken for each other with a typo when they are so alike: one wrong letter in six gives 0.5.
SESSION = {
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    "pg_trgm.word_similarity_threshold": "0.45",
}
PGBOUNCER = ("off", "on", "prepared")


def databases(url: str, *, pool_size: int, pgbouncer: str, replica_url: str = "") -> dict[str, Any]:
    """DATABASES for these values of the environment."""
    found = {DEFAULT_DB_ALIAS: _database(url, pool_size, pgbouncer, patience=5)}
    if replica_url:
        # Nobody waits long for it, for there is the primary.
        found[REPLICA] = _database(replica_url, pool_size, pgbouncer, patience=0.5)
        found[REPLICA]["OPTIONS"].setdefault("tcp_user_timeout", 2000)  # ms, of a machine that is gone without a word
        found[REPLICA]["TEST"] = {"MIRROR": DEFAULT_DB_ALIAS}
    return found


def _database(url: str, pool_size: int, pgbouncer: str, *, patience: float) -> dict[str, Any]:
    database: dict[str, Any] = dict(dj_database_url.parse(url))
    database.setdefault("OPTIONS", {}).update(  # beside what the URL says, such as sslmode
        server_side_binding=True,
        prepare_threshold=None if pgbouncer == "on" else 3,
        # Tries for a connection come after 1, 3, 7 seconds, until `reconnect_timeout`; whoever asks then begins anew.
        # So a PostgreSQL that is back after an hour is found by the first who asks, not minutes later. While somebody
        # waits it is tried: were it given up sooner, nobody would try until those who wait have gone.
        pool={"min_size": 1, "max_size": pool_size, "timeout": patience, "reconnect_timeout": max(patience, 2.0)},
    )
    if pgbouncer == "off":
        of_url = [database["OPTIONS"]["options"]] if "options" in database["OPTIONS"] else []
        ours = [f"-c {name}={value}" for name, value in SESSION.items()]
        database["OPTIONS"]["options"] = " ".join(of_url + ours)  # of a name that is there twice, the last counts
    else:  # which refuses such options: there they are the role's, and the engine sees that they are
        database["ENGINE"] = "config.pgbouncer"
    return database
