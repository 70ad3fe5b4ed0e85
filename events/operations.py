"""The transaction of an operation: opened here and nowhere else, retried when PostgreSQL asks for it."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction
from psycopg import errors
from psycopg_pool import PoolTimeout

from events.exceptions import Busy, DomainError, KeyInProgress, KeyReused
from events.models import StoredAnswer

P = ParamSpec("P")
R = TypeVar("R")

# Serialization failures and deadlocks: PostgreSQL undid everything and invites another try.
RETRYABLE = (errors.SerializationFailure, errors.DeadlockDetected)
ATTEMPTS = 4
PAUSE = 0.02  # seconds; at most this times the number of the attempt

# Constraint name -> the refusal that the check before it would have given. Each app adds its own.
refusal_of_constraint: dict[str, Callable[[], DomainError]] = {}


_rehearsing: ContextVar[bool] = ContextVar("rehearsing", default=False)
_together: ContextVar[bool] = ContextVar("together", default=False)


@contextmanager
def rehearsing() -> Iterator[None]:
    """Inside, operations see what those before them did, and in the end all of it is undone.

    What they lock stays locked until then, unless they are `undone` at once.
    """
    token = _rehearsing.set(True)
    try:
        with transaction.atomic(durable=True):
            yield
            transaction.set_rollback(True)
    finally:
        _rehearsing.reset(token)


@contextmanager
def undone() -> Iterator[None]:
    """In a rehearsal: undo at once what is done inside, so that nobody else waits for it. Otherwise nothing."""
    if not _rehearsing.get():
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def is_rehearsing() -> bool:
    return _rehearsing.get()


@contextmanager
def together() -> Iterator[None]:
    """Inside, operations are steps of one transaction: at its end all of them take effect, or none does.

    What they lock stays locked until then. Where PostgreSQL asks for another try, all of it must begin again.
    """
    token = _together.set(True)
    try:
        with transaction.atomic(durable=True):
            yield
    finally:
        _together.reset(token)


class Restart(Exception):
    """What an operation learned under its locks calls for other locks: undo everything and begin again."""


@dataclass(frozen=True)
class Bytes:
    """A rendered answer, as it goes over the wire and as it is stored."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    replayed: bool = False


@dataclass(frozen=True)
class Key:
    """An Idempotency-Key: who sent it, with which request."""

    caller: str
    key: str
    fingerprint: str

    def _claim(self) -> StoredAnswer | None:
        """Take the key for this transaction and find the answer already given under it.

        The look-up is a statement of its own, after the lock: under READ COMMITTED it then sees whatever
        the previous holder committed.
        """
        number = int.from_bytes(hashlib.sha256(f"{self.caller}\0{self.key}".encode()).digest()[:8], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            if not cursor.fetchone()[0]:
                raise KeyInProgress
        answer = StoredAnswer.objects.filter(caller=self.caller, key=self.key).first()
        if answer and answer.fingerprint != self.fingerprint:
            raise KeyReused
        return answer


class _Undo(Exception):
    def __init__(self, result: Any) -> None:
        self.result = result


class Operation(Generic[P, R]):
    """An entry service: a function that runs in a transaction of its own, whole or not at all.

    Call it like the function. `answered` also keeps the rendered answer under an Idempotency-Key,
    `rehearse` runs it for real and then undoes everything. Operations never nest; one may be a part of another
    (`within`).
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", "operation")
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if _rehearsing.get() or _together.get():
            return _as_a_step(lambda: self._function(*args, **kwargs))
        return _in_transaction(lambda: self._function(*args, **kwargs))

    def within(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run as a part of another operation, in its transaction: it is refused, undone or begun again with that."""
        require_transaction()
        return self._function(*args, **kwargs)

    def answered(self, key: Key, render: Callable[[R], Bytes], *args: P.args, **kwargs: P.kwargs) -> Bytes:
        """Run once per key; every repetition gets the bytes of the first answer.

        Raises KeyInProgress while the first is running and KeyReused when the key came with another request.
        A refused operation stores nothing, so the same key may try again.
        """

        def run() -> Bytes:
            if given := key._claim():
                return Bytes(given.status, bytes(given.body), given.headers, replayed=True)
            answer = render(self._function(*args, **kwargs))
            StoredAnswer.objects.create(
                caller=key.caller,
                key=key.key,
                fingerprint=key.fingerprint,
                status=answer.status,
                headers=answer.headers,
                body=answer.body,
            )
            return answer

        return _in_transaction(run)

    def rehearse(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the call would return or raise; nothing stays changed."""

        def run() -> R:
            raise _Undo(self._function(*args, **kwargs))

        try:
            return _in_transaction(run)
        except _Undo as undone:
            result: R = undone.result
            return result


def operation(function: Callable[P, R]) -> Operation[P, R]:
    """Make an entry service of a function. See `Operation`."""
    return Operation(function)


def _as_a_step(run: Callable[[], R]) -> R:
    """Run inside the transaction of others, which goes on without it if it is refused."""
    try:
        with transaction.atomic():
            return run()
    except IntegrityError as error:
        if refuse := refusal_of_constraint.get(constraint_of(error) or ""):
            raise refuse() from error
        raise


def _in_transaction(run: Callable[[], R]) -> R:
    """Run in a transaction; again when PostgreSQL or the operation asks for it, or the connection had died before.

    A connection lost at COMMIT is not tried again: whether it took effect cannot be known from here.
    """
    for attempt in range(1, ATTEMPTS + 1):
        committing = False
        try:
            with transaction.atomic(durable=True):
                result = run()
                committing = True
            return result
        except Restart as restart:
            if attempt == ATTEMPTS:
                raise Busy from restart
        except IntegrityError as error:
            constraint = constraint_of(error)
            if constraint == "one_answer_per_key" and attempt < ATTEMPTS:
                continue  # somebody else's answer was committed after all: look again
            if refuse := refusal_of_constraint.get(constraint or ""):
                raise refuse() from error
            raise
        except OperationalError as error:
            if isinstance(error.__cause__, errors.LockNotAvailable):
                raise Busy from error
            dead = left_dead(error)
            if attempt == ATTEMPTS or committing or not (dead or isinstance(error.__cause__, RETRYABLE)):
                raise
            if dead:
                discard_dead_connections()
        # Whoever was in the way needs a moment to finish.
        time.sleep(random.uniform(0, PAUSE * attempt))  # nosec B311  # chance, not secrecy
    raise AssertionError("unreachable")


def connection_lost(error: Exception) -> bool:
    """Whether the server went away, rather than refused a statement."""
    cause = error.__cause__
    if not isinstance(cause, errors.OperationalError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(("08", "57P"))


def left_dead(error: Exception) -> bool:
    """Whether the server went away under a connection, so that another one may do better.

    Waiting for a connection again, after having waited in vain, would only keep the caller waiting longer.
    """
    return connection_lost(error) and not isinstance(error.__cause__, PoolTimeout)


def told_by_postgresql(error: Exception) -> str:
    """What the database said, as one sentence: it says it in several lines, and without a full stop."""
    first = str(error).strip().partition("\n")[0].rstrip(" .")
    return f"PostgreSQL: {first}."


def discard_dead_connections() -> None:
    """Have this thread, and the pool, replace connections that a restarted server left dead."""
    connection.close()
    pool = getattr(connection, "pool", None)
    if pool is not None and not pool.closed:  # it opens when a connection is first wanted
        pool.check()


def require_transaction() -> None:
    """Refuse to go on outside an operation: the caller must hold the title's lock already."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("This step belongs inside an operation, under its title's lock.")


def constraint_of(error: IntegrityError) -> str | None:
    """The name of the constraint that refused a write."""
    cause = error.__cause__
    return cause.diag.constraint_name if isinstance(cause, errors.IntegrityError) else None
