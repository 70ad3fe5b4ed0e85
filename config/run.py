"""`make run`: the service on this machine, with servers, demo library and administrator where there are none."""

import errno
import http.client
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import django
import psycopg
import redis
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command, get_commands
from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string

from config import embedded, web

PORT_PATIENCE = 2  # seconds: a server that was just killed may still be letting go of its port


class RunError(Exception):
    """Why, in one line for the user."""


def main(arguments: list[str], run: Callable[[], None], grace: float) -> None:
    """Runs until told to stop, then ends in order. `grace` is how long that may take, in seconds."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    if "--stop-with-parent" in arguments:  # make, which Ctrl-C does reach but a kill does not
        web.stop_with_parent(grace)
    try:
        run()
    except KeyboardInterrupt:
        print("Stopping ...", flush=True)
    except (RunError, embedded.ServerError) as reason:
        sys.exit(str(reason))


def run() -> None:
    address = Address.from_environment()
    is_debug_chosen = "DEBUG" in os.environ
    set_development_defaults()
    check_settings(address)
    if not (is_debug_chosen or address.is_of_this_machine_only):
        os.environ["DEBUG"] = "false"  # error pages with details show what was typed into a form
    address.check_free()
    live = address.for_listeners()
    os.environ.setdefault("LIVE_URL", f":{live.port}")
    embedded.ensure_running()
    django.setup()
    database = reachable_database()
    check_redis()
    migrate(database)
    load_demo_library()
    sign_in = administrator()
    database.close()
    database.close_pool()
    with (
        work_beside(),
        running("config.work", says=subprocess.PIPE) as worker,
        running("config.live", live.host, str(live.port)) as live_server,
        running("config.web", address.host, str(address.port)) as web_server,
    ):
        wait_until_it_answers("web server", web_server, address)
        wait_until_it_answers("server of live availability", live_server, live)
        wait_until_it_says_so("worker", worker)
        print(welcome(address, sign_in), flush=True)
        servers = {"web server": web_server, "server of live availability": live_server, "worker": worker}
        raise RunError(first_that_ends(servers))


@dataclass(frozen=True)
class Address:
    host: str  # numeric
    port: int

    @classmethod
    def from_environment(cls) -> "Address":
        host = os.environ.get("HOST") or "127.0.0.1"
        port = os.environ.get("PORT") or "8000"
        number = port_number("PORT", port)
        try:
            found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise RunError(f"HOST is an address of this machine, such as 127.0.0.1, not {host!r}.") from None
        found.sort(key=lambda entry: entry[0] != socket.AF_INET)  # localhost is 127.0.0.1 before ::1
        return cls(str(found[0][4][0]), number)

    @property
    def is_of_this_machine_only(self) -> bool:
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def here(self) -> str:
        """Where this machine itself finds it."""
        if not ipaddress.ip_address(self.host).is_unspecified:
            return self.host
        return "::1" if ":" in self.host else "127.0.0.1"

    @property
    def url(self) -> str:
        host = f"[{self.here}]" if ":" in self.here else self.here
        return f"http://{host}:{self.port}"

    def for_listeners(self) -> "Address":
        """Where one listens to availability: LIVE_PORT, or the next port, or if that is in use any other."""
        port = os.environ.get("LIVE_PORT") or ""
        if port:
            found = Address(self.host, port_number("LIVE_PORT", port))
            found.check_free("LIVE_PORT")
            return found
        following = Address(self.host, self.port % 65535 + 1)
        return following if following._problem() is None else Address(self.host, self._any_port())

    def check_free(self, name: str = "PORT") -> None:
        give_up = time.monotonic() + PORT_PATIENCE
        while (problem := self._problem()) is not None:
            if problem.errno == errno.EADDRINUSE and time.monotonic() < give_up:
                time.sleep(0.1)
            elif problem.errno == errno.EADDRINUSE:
                following = self.port % 65535 + 1
                raise RunError(
                    f"Port {self.port} on {self.host} is in use. Choose another: {name}={following} make run"
                )
            elif problem.errno == errno.EADDRNOTAVAIL:
                raise RunError(f"HOST {self.host} is not an address of this machine.")
            else:
                raise RunError(f"Cannot use port {self.port} on {self.host}: {problem.strerror}.")

    @property
    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def _any_port(self) -> int:
        with socket.create_server((self.host, 0), family=self._family) as free:
            port: int = free.getsockname()[1]
        return port

    def _problem(self) -> OSError | None:
        with socket.socket(self._family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections closed lately do not matter
            try:
                probe.bind((self.host, self.port))
                probe.listen()
            except OSError as problem:
                return problem
        return None


def port_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise RunError(f"{name} is a number from 1 to 65535, not {text!r}.")
    return int(text)


def set_development_defaults() -> None:
    """The settings themselves default to what is safe in production."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DEBUG", "true")
    os.environ.setdefault("OPEN_DESK", "true")
    if not embedded.is_given("SECRET_KEY"):
        os.environ["SECRET_KEY"] = embedded.development_secret_key()


def check_settings(address: Address) -> None:
    try:
        open_desk = settings.OPEN_DESK
    except ImproperlyConfigured as error:  # a line for each that does not fit
        raise RunError(str(error)) from None
    understood = os.environ.get("OPEN_DESK_I_UNDERSTAND", "").lower() in ("true", "1", "yes", "on")
    if open_desk and not address.is_of_this_machine_only and not understood:
        raise RunError(
            f"HOST={address.host} would let everybody who can reach this machine act as a librarian. "
            "Add OPEN_DESK=false, or OPEN_DESK_I_UNDERSTAND=true."
        )


def reachable_database() -> DatabaseWrapper:
    database = connections["default"]
    if not isinstance(database, DatabaseWrapper):
        raise RunError(f"DATABASE_URL names {database.vendor}: Circdesk runs on PostgreSQL only.")
    parameters = {"connect_timeout": 5, **database.get_connection_params()}
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error as error:
        reason = one_line(error).rpartition("failed: ")[2]
        where = f"{parameters.get('host', 'localhost')}:{parameters.get('port', 5432)}"
        raise RunError(f"Cannot reach the database at {where}: {reason}") from None
    return database


def check_redis() -> None:
    if not embedded.is_given("REDIS_URL"):
        return
    url = str(settings.CACHES["default"]["LOCATION"])
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError):
        where = urlsplit(url).netloc.rpartition("@")[2] or "REDIS_URL"
        print(f"Warning: no Redis answers at {where}. The service works without its cache.", file=sys.stderr)


def migrate(database: DatabaseWrapper) -> None:
    executor = MigrationExecutor(database)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        call_command("migrate", verbosity=0, interactive=False)
        print(f"Applied {len(missing)} migrations.", flush=True)


def load_demo_library() -> None:
    if settings.SERVICE == "public":
        return  # its part needs the titles, which come by themselves
    if "load_demo" in get_commands() and not apps.get_model("library", "Book").objects.exists():
        call_command("load_demo")


def administrator() -> str:
    """Makes one where there is none. Returns how to sign in."""
    users = get_user_model()._default_manager
    kept = embedded.local_dir() / "admin-password"
    if not users.filter(is_superuser=True).exists():
        password = embedded.secret(kept.name, length=16)
        users.create_superuser("admin", password=password)
        return f"sign in as admin, password {password}"
    admin = users.filter(username="admin", is_superuser=True).first()
    if admin is None:
        return "sign in with your account"
    if kept.exists() and admin.check_password(password := kept.read_text().strip()):
        return f"sign in as admin, password {password}"
    return "sign in as admin, with the password you set"


# What runs on threads here, and as processes of their own in production. Models load after django.setup().
BESIDE = (
    "events.relay.keep_publishing",
    "events.consuming.work",
    "integrations.webhooks.delivery.keep_delivering",
)


@contextmanager
def work_beside() -> Iterator[None]:
    """The relay, the consumers of events and the sender of webhooks, on threads of this process."""
    stop = threading.Event()
    threads = [threading.Thread(target=import_string(name), args=[stop], name=name) for name in BESIDE]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def running(module: str, *arguments: str, says: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """A program of ours as a process of its own. What goes wrong stands in the log, on standard error."""
    server = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=embedded.BASE_DIR,
        stdout=says,
        start_new_session=True,  # Ctrl-C is for us, who then stop it in order
    )
    try:
        yield server
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C: it takes no longer than GRACE
        server.terminate()
        try:
            server.wait(web.GRACE + 2)
        except subprocess.TimeoutExpired:
            server.kill()


def first_that_ends(servers: Mapping[str, subprocess.Popen[bytes]]) -> str:
    """Its name, with its exit code."""
    while True:
        for name, server in servers.items():
            if server.poll() is not None:
                return f"The {name} ended by itself, with exit code {server.returncode}."
        time.sleep(0.2)


def wait_until_it_answers(name: str, server: subprocess.Popen[bytes], address: Address) -> None:
    while server.poll() is None:
        if answers(address):
            return
        time.sleep(0.05)
    raise RunError(f"The {name} does not start: see above (exit code {server.returncode}).")


def wait_until_it_says_so(name: str, program: subprocess.Popen[bytes]) -> None:
    assert program.stdout is not None
    if not program.stdout.readline():
        raise RunError(f"The {name} does not start: see above (exit code {program.wait()}).")


def answers(address: Address) -> bool:
    client = http.client.HTTPConnection(address.here, address.port, timeout=5)
    try:
        client.request("GET", "/health/live")
        client.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()
    return True


def welcome(address: Address, sign_in: str) -> str:
    if not settings.OPEN_DESK:
        desk = "with sign-in"
    elif address.is_of_this_machine_only:
        desk = "open: no sign-in, but only this machine can reach it"
    else:
        desk = "open: no sign-in, for everybody who can reach this machine"
    url = address.url
    running = {
        "all": "Circdesk is running. Ctrl-C stops it.",
        "public": "The public service is running.",
        "admin": "The admin's service is running.",
    }[settings.SERVICE]
    lines = [
        f"  API        {url}/api/        {desk}",
        f"  Explorer   {url}/api/docs/   the same, to read and to try out (ReDoc: /api/redoc/)",
        f"  Admin      {url}/admin/      {sign_in}",
        *mails(),
    ]
    if settings.SERVICE == "public":
        del lines[2]
    return "\n".join(["", running, "", *lines, ""])


def mails() -> list[str]:
    """Where they are while they are files. Of two services, only the public one writes any."""
    if settings.EMAIL_BACKEND.endswith(".MailFiles") and settings.SERVICE != "admin":
        return [f"  Mail       {(settings.MAIL_DIR / 'index.html').as_uri()}"]
    return []


def one_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


if __name__ == "__main__":
    main(sys.argv[1:], run, 2 * web.GRACE)
