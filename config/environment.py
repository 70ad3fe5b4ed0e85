"""Reads settings from the environment, and tells of all that do not fit at once, in a line each."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from environs import EnvError, FileAwareEnv
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

T = TypeVar("T")

HOST = re.compile(r"\*|\.?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.?|\[[0-9A-Fa-f:.]+\]")  # as Django compares them
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\*\.)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")


class Unfit(EnvError):
    """Why a value cannot even be looked at, in one line for the operator."""


def _number(validate: Any = None, **_: Any) -> str:
    return f"a whole number from {validate.min} to {validate.max}" if validate else "a whole number"


def _noted(read: T, form: Callable[..., str] | None = None) -> T:
    """This way to read, but what does not fit is noted, and the default stands in for it."""

    def method(self: Environment, name: str, default: Any = None, *arguments: Any, **options: Any) -> Any:
        try:
            return read(self, name, default, *arguments, **options)  # type: ignore[operator]
        except Unfit as error:
            self.refuse(str(error))
        except EnvError:
            wanted = form(**options) if form else "something else"
            self.refuse(f"{name} is {wanted}, not {self._get_value(name, '')!r}.")
        return default

    return method  # type: ignore[return-value]  # the same parameters and result


class _Noting(FileAwareEnv):
    # Only what these read is shown when it does not fit: secrets are text.
    bool = _noted(FileAwareEnv.bool, lambda **_: "true or false")
    int = _noted(FileAwareEnv.int, _number)
    str = _noted(FileAwareEnv.str)
    list = _noted(FileAwareEnv.list)


class Environment(_Noting):
    """NAME, or what is in the file that NAME_FILE names. An empty value is as good as none.

    Whatever does not fit is noted and its default taken, until `check` tells of all of it. So what follows a value in
    the settings need not expect a wrong one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._complaints: dict[str, str] = {}

    def refuse(self, complaint: str) -> None:
        """One line for the operator, which begins with the name. Of a secret it says what is wrong, never what it is.

        Of each setting the first counts: what else there is to say of it may follow from that.
        """
        self._complaints.setdefault(complaint.split()[0].removesuffix(self.file_suffix), complaint)

    def fits(self, name: str) -> bool:
        """Whether there was nothing to say of it so far."""
        return name not in self._complaints

    def check(self) -> None:
        """Raises ImproperlyConfigured, a line for each value that does not fit."""
        if self._complaints:
            raise ImproperlyConfigured("\n".join(self._complaints.values()))

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        value = self.str(name, default)
        if value == default or value in choices:
            return value
        *others, last = choices
        self.refuse(f"{name} is {', '.join(others)} or {last}, not {value!r}.")
        return default

    def names(self, name: str, default: list[str], form: re.Pattern[str], example: str) -> list[str]:
        """A list with commas between, each of this form."""
        values = [value.strip() for value in self.list(name, default)]
        for value in values:
            if not form.fullmatch(value):
                self.refuse(f"{name} is a list such as {example}; not {value!r}.")
        return values

    def url(  # type: ignore[override]  # as text, for whoever takes it apart
        self, name: str, schemes: tuple[str, ...], example: str, *, is_redis: bool = False, is_postgresql: bool = False
    ) -> str:
        """An address, or an empty text. It may hold a password, and is not shown."""
        value = self.str(name, "").strip()
        if not value:
            return value
        if _is_url(value, schemes, is_redis):
            unknown = _unknown_to_libpq(value) if is_postgresql else ""
            if not unknown:
                return value
            self.refuse(f"{name} {unknown}")
            return ""
        self.refuse(f"{name} is like {example}; in a password @ : / # are written %40 %3A %2F %23.")
        return ""

    def time_zone(self, name: str, default: str) -> str:
        value = self.str(name, default)
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            self.refuse(f"{name} is a time zone such as Europe/London or UTC, not {value!r}.")
            return default
        return value

    def _get_value(self, env_key: str, default: Any) -> Any:
        """As FileAwareEnv; but it would take the file without a word where both are there, and trip over some files."""
        file_key = f"{env_key}{self.file_suffix}"
        plain, path = (super(FileAwareEnv, self)._get_value(key, "") for key in (env_key, file_key))
        if path and plain:
            raise Unfit(f"{env_key} and {file_key} are both set. Give one of them.")
        try:
            value = super()._get_value(env_key, default)
        except (OSError, ValueError):
            raise Unfit(f"{file_key} does not name a file that can be read: {path!r}.") from None
        if path:
            value = value.rstrip("\r\n")
            if not value:
                raise Unfit(f"{file_key} names a file with nothing in it: {path!r}.")
        return default if value == "" else value


def _unknown_to_libpq(url: str) -> str:
    """What PostgreSQL's library would refuse at the first request, which is late. Empty: nothing."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    if not (parts.path.strip("/") or "service" in asked):
        return "names no database: that is what follows the last /."
    try:
        make_conninfo(**{name: value for name, value in asked.items() if name != "currentSchema"})
    except ProgrammingError:
        return "has something after its ? that PostgreSQL does not know."
    return ""


def _is_url(value: str, schemes: tuple[str, ...], is_redis: bool) -> bool:
    try:
        parts = urlsplit(value)
        found = parts.port  # raises when it is none
    except ValueError:
        return False
    if parts.scheme not in schemes or found == 0 or re.search(r"\s", value):
        return False
    in_query = dict(parse_qsl(parts.query))
    if "unix" in parts.scheme or "socket" in parts.scheme:
        return bool(parts.path) and in_query.get("db", "0").isdecimal()
    if is_redis and ("db" in in_query or not (parts.path.strip("/") or "0").isdecimal()):
        return False  # of two numbers, clients do not agree which one counts
    return bool(parts.hostname or in_query.get("host"))


def read_settings() -> None:
    """Ends this process when the settings do not fit: with their lines, and without a trace of where that was found."""
    try:
        _ = settings.SECRET_KEY  # any one of them: it reads them all
    except ImproperlyConfigured as error:
        sys.exit(str(error))
