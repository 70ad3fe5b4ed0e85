"""How PostgreSQL executes the statements that the code really sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

# Tables of a few rows, which nobody needs an index for.
SMALL = {"library_branch", "library_membercategory", "library_loanpolicy", "accounts_user"}


@dataclass
class Plan:
    """How one statement is executed. `root` is what EXPLAIN (FORMAT JSON) says."""

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
        """Big tables that are read from the beginning, without an index."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"} - SMALL

    @property
    def pages(self) -> int:
        """How many pages of 8 kB are looked at, in tables and indexes."""
        return self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"] if "Shared Hit Blocks" in self.root else 0

    def rows(self, table: str) -> int:
        """How many rows of a table are looked at."""
        scans = [node for node in self.nodes() if node.get("Relation Name") == table]
        return round(
            sum((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"] for scan in scans)
        )


class Plans(list[Plan]):
    """Those of several statements, in the order in which they were sent."""

    @property
    def indexes(self) -> set[str]:
        return {name for plan in self for name in plan.indexes}

    @property
    def scanned(self) -> set[str]:
        return {name for plan in self for name in plan.scanned}

    @property
    def pages(self) -> int:
        """Of the statement that looks at most."""
        return max(plan.pages for plan in self)

    def using(self, index: str) -> Plan:
        """The first that uses an index."""
        return next(plan for plan in self if index in plan.indexes)

    def __str__(self) -> str:
        return "\n".join(f"{plan.pages} pages, {plan.indexes} {plan.scanned or ''}: {plan.sql}" for plan in self)


@contextmanager
def explaining() -> Iterator[Plans]:
    """Collects the plan of every statement that the block sends, with the values that it sends."""
    plans = Plans()

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        verb = sql.split(maxsplit=1)[0]
        if verb in ("SELECT", "WITH", "UPDATE", "DELETE"):
            # What only reads is executed for its plan, so that it tells how much it read.
            how = "ANALYZE, TIMING OFF, FORMAT JSON" if verb in ("SELECT", "WITH") else "FORMAT JSON"
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN ({how}) {sql}", params)
                plans.append(Plan(sql, cursor.fetchone()[0][0]["Plan"]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans
