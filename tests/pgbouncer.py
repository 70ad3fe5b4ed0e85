"""A real PgBouncer in transaction mode before the tests' PostgreSQL, reached at a port of this machine."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from benchmarks.places import free_port
from config import embedded
from config.servers import ENVIRONMENT

needs_pgbouncer = pytest.mark.skipif(
    shutil.which("pgbouncer") is None, reason="PgBouncer is not installed: apt install pgbouncer"
)

DOCS = (Path(__file__).parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
# As the docs have it; of what is there twice, the last counts.
DOCUMENTED = DOCS.split("```ini\n[databases]\n")[1].split("```")[0].split("[pgbouncer]\n")[1]
CONFIGURATION = """
[databases]
* = host={sockets} port=5432

[pgbouncer]
{documented}
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users.txt
admin_users = {user}
default_pool_size = {size}
"""


@contextmanager
def pgbouncer(size):
    """The address before which a database's name belongs; it holds so many connections to the server."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="circdesk-pgbouncer-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        values = {"sockets": unquote(parts.netloc.rpartition("@")[2]), "user": parts.username}
        written = CONFIGURATION.format(documented=DOCUMENTED, directory=directory, port=port, size=size, **values)
        (directory / "pgbouncer.ini").write_text(written)
        (directory / "users.txt").write_text(f'"{parts.username}" ""\n')
        account = embedded.account_for(directory) or pwd.getpwuid(os.geteuid())  # never root, which it refuses to be
        who = {"user": account.uid, "group": account.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [shutil.which("pgbouncer"), "--quiet", directory / "pgbouncer.ini"],
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                **who,
            )
        try:
            _wait_until_it_listens(process, port, directory / "log")
            yield f"postgresql://{parts.username}@127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _wait_until_it_listens(process, port, log):
    give_up = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up
            time.sleep(0.05)
