"""How PostgreSQL executes the statements that the code really sends."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection
from psycopg import ClientCursor

# The tables of these are explained.
APPS = ("library_", "reservations_", "circulation_", "events_")
# Tables of a few rows, which nobody needs an index for.
SMALL = {"library_branch", "library_membercategory", "library_loanpolicy", "accounts_user", "accounts_apikey"}

CHANGE_WITHIN = re.compile(r"\bAS \(\s*(INSERT|UPDATE|DELETE)\b")


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
        return self.root.get("Shared Hit Blocks", 0) + self.root.get("Shared Read Blocks", 0)

    def rows(self, table: str) -> int:
        """How many rows of a table are looked at."""
        scans = [node for node in self.nodes() if node.get("Relation Name") == table]
        return round(
            sum((scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)) * scan["Actual Loops"] for scan in scans)
        )

    def __str__(self) -> str:
        return f"{self.pages} pages, {sorted(self.indexes)} {self.scanned or ''}: {self.sql}"


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

    def __str__(self) -> str:
        return "\n".join(str(plan) for plan in self)


@contextmanager
def explaining(*, shared: bool = False) -> Iterator[Plans]:
    """Collects the plan of every statement about the library that the block sends, for the values that it sends.

    `shared`: the plan for all values, as of a statement that was prepared and came often.
    """
    plans = Plans()

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        verb = sql.split(maxsplit=1)[0]
        if verb in ("SELECT", "WITH", "UPDATE", "DELETE") and any(app in sql for app in APPS):
            # Only what merely reads is executed for its plan, so that it tells how much it read.
            reads = verb in ("SELECT", "WITH") and not CHANGE_WITHIN.search(sql)
            how = "ANALYZE, TIMING OFF, FORMAT JSON" if reads else "FORMAT JSON"
            plan_of = _shared_plan if shared else _plan
            plan_of(how, sql, params)  # the first one reads the system's catalogue as well, and counts its pages
            plans.append(Plan(sql, plan_of(how, sql, params)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        yield plans


def _plan(how: str, sql: str, params: Any) -> dict[str, Any]:
    with connection.connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({how}) {sql}", params)
        return cursor.fetchone()[0][0]["Plan"]


def _shared_plan(how: str, sql: str, params: Any) -> dict[str, Any]:
    named = isinstance(params, dict)
    if named:
        params = {name: value for name, value in params.items() if f"%({name})s" in sql}
    values = list(params.values() if named else params or ())
    numbers = {name: number for number, name in enumerate(params, 1)} if named else itertools.count(1)
    numbered = re.sub(r"%(?:\((\w+)\))?s", lambda found: f"${numbers[found[1]] if named else next(numbers)}", sql)
    with ClientCursor(connection.connection) as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE explained AS {numbered.replace('%%', '%')}")
        arguments = f"({', '.join(['%s'] * len(values))})" if values else ""
        cursor.execute(f"EXPLAIN ({how}) EXECUTE explained{arguments}", values)
        root = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("DEALLOCATE explained")
        return root
