"""Simulations as their user runs them, and what they leave on the servers."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import redis

from circulation.simulation.own_database import PREFIX

ROOT = Path(__file__).parents[2]
SMALL = {"members": 12, "titles": 6, "check_every": 25}


def start(*arguments, **variables) -> subprocess.Popen:
    """`manage.py simulate` on the servers of the tests, as a process of its own that Ctrl-C reaches."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "simulate", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sizes(**numbers) -> list[str]:
    return [text for name, number in (SMALL | numbers).items() for text in (f"--{name.replace('_', '-')}", str(number))]


def of(process: int) -> str:
    """How the databases begin that a process makes: tests in other processes have theirs on the same server."""
    return f"{PREFIX}{process}_"


# What was there already when a test began: other tests of this process may have a library of their own.
others: set[str] = set()


def left(process: int) -> list[str]:
    """The databases and cached entries of the simulations of a process."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as server:
        found = server.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [of(process)])
        names = [name for (name,) in found]
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as cache:
        names += [key.decode() for key in cache.keys(f"{of(process)}*")]
    return [name for name in names if name not in others]
