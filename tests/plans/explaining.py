"""How PostgreSQL executes the statements that the code really sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

# Tables of a handful of rows, which nobody needs an index for.
SMALL = {"library_branch", "library_membercategory", "library_loanpolicy", "accounts_user", "django_session"}


@dataclass
class Plan:
    """How one statement was executed."""

    sql: str
    root: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting += node.get("Plans", [])

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    @property
    def scanned(self) -> set[str]:
        """Big tables that were read from end to end."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"} - SMALL

    @property
    def blocks(self) -> int:
        """How many pages of 8 kB were looked at, in tables and indexes."""
        return self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"]

    def __str__(self) -> str:
        return f"{self.sql}\n{self.root}"


@contextmanager
def explaining() -> Iterator[list[Plan]]:
    """Collects the plan of every statement that the block sends, with the parameters that it sends."""
    plans: list[Plan] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        verb = sql.split(maxsplit=1)[0]
        if verb in ("SELECT", "WITH", "UPDATE", "DELETE"):
            # Only what changes nothing is executed for its plan.
            how = "ANALYZE, TIMING OFF, " if verb in ("SELECT", "WITH") else ""
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN ({how}FORMAT JSON) {sql}", params)
                plans.append(Plan(sql, cursor.fetchone()[0][0]["Plan"]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans
