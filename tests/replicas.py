"""A PostgreSQL with a streaming replica, both of their own, on sockets in one directory."""

import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection, connections

from circulation.simulation.own_database import own_database
from config import embedded
from config.ownership import Home
from config.servers import ENVIRONMENT, Postgres
from rest.replica import REPLICA


@contextmanager
def primary_and_replica():
    """Two servers, of which the second follows the first."""
    with tempfile.TemporaryDirectory(prefix="circdesk-replica-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o711)
        primary, replica = (_server(directory / part) for part in ("primary", "replica"))
        try:
            primary.start(lambda _: None)
            copied(primary, replica)
            replica.start(lambda _: None)
            yield primary, replica
        finally:
            for server in (replica, primary):
                server.stop()


class Quick(Postgres):
    """Not durable, but commits are in the log when they are answered, as in earnest."""

    def _command(self):
        return [*super()._command(), "-c", "synchronous_commit=on"]


def _server(directory):
    server = Quick(Home(directory, directory / "s", embedded.account_for(directory.parent)), durable=False)
    server.home.make()
    return server


def copied(primary, replica):
    """A base backup of the one, which follows it when it is started."""
    base = replica.data.with_name("base")
    subprocess.run(["install", "-d", "-m", "700", base], check=True)
    if account := replica.home.account:
        subprocess.run(["chown", f"{account.uid}:{account.gid}", base], check=True)
    command = [primary.binaries() / "pg_basebackup", "-h", primary.home.sockets, "-U", "postgres", "-R", "-D", base]
    subprocess.run(
        [*command, "--checkpoint=fast", "--no-sync"], check=True, env=ENVIRONMENT, cwd="/", **replica.home.as_account()
    )
    base.rename(replica.data)


def asked(server, statement):
    """A statement of the superuser, in whatever database he has."""
    with psycopg.connect(host=str(server.home.sockets), user="postgres", dbname="postgres", autocommit=True) as session:
        return session.execute(statement).fetchone()


@contextmanager
def a_library_on(primary, replica):
    """Inside, this process is connected to a library of its own on the one, and reads from the other."""
    before = {name: connection.settings_dict[name] for name in ("HOST", "NAME")}
    connection.close()
    connection.close_pool()
    connection.settings_dict |= {"HOST": str(primary.home.sockets), "NAME": primary.database}
    try:
        with own_database(workers=1):
            usual = connection.settings_dict
            options = {**usual["OPTIONS"], "pool": {"min_size": 1, "max_size": 4, "timeout": 0.5}}
            options["options"] = options["options"].replace("-c synchronous_commit=off", "")
            usual["OPTIONS"]["options"] = options["options"]
            connection.close()
            connection.close_pool()
            connections.settings[REPLICA] = {**usual, "HOST": str(replica.home.sockets), "OPTIONS": options}
            try:
                yield
            finally:
                connections[REPLICA].close()
                connections[REPLICA].close_pool()
                del connections[REPLICA], connections.settings[REPLICA]
    finally:
        connection.settings_dict |= before
