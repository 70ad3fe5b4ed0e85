"""What it was measured on, and with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import django
import redis

from benchmarks import places
from config import embedded
from config.servers import Postgres


@dataclass(frozen=True)
class Machine:
    cpu: str
    cores: int
    versions: dict[str, str]

    @classmethod
    def this(cls, postgres: Postgres) -> Machine:
        with places.connect(postgres, "postgres") as connection:
            row = connection.execute("SHOW server_version").fetchone()
        with redis.Redis.from_url(embedded.redis_url()) as client:
            valkey = client.info("server").get("valkey_version", "")
        return cls(
            _cpu(),
            os.cpu_count() or 1,
            {
                "Python": platform.python_version(),
                "Django": django.get_version(),
                "PostgreSQL": str(row[0]) if row else "",
                "Valkey": str(valkey),
                "granian": importlib.metadata.version("granian"),
            },
        )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
