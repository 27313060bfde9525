"""Mutated statements of analysts at the policy that judges them."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import duckdb

from server.analytics.sql_policy import judge
from tests.fuzz.findings import MOST_GROWTH_BYTES, Finding, own_memory_bytes
from tests.fuzz.mutate import mutated_text
from tests.unit.analytics.queries import BAD, GOOD

WORDS = ("SELECT", "FROM", "v_turns", "sessions", "read_text('/etc/passwd')", "(", ")", ",", ";", "--", "/*", "ATTACH")
FORBIDDEN = re.compile(
    r'"function_name":"(?:read_\w+|glob|getenv|query|\w*_scan)"|"table_name":"(?:sessions|turns|events)"'
)
"""Functions and tables that no allowed statement may name, found without the policy."""


class Statements:
    """The policy reads every tree that DuckDB makes of a text, and never allows a table of its own choice."""

    name = "statements"

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection
        self._memory_bytes = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A DuckDB that parses."""
        self._connection = duckdb.connect(config={"threads": "1", "memory_limit": "256MB"})
        self._memory_bytes = own_memory_bytes()
        try:
            yield
        finally:
            self._connection.close()

    async def attempt(self, number: int, rng: random.Random) -> None:
        """One statement."""
        await self.one(number, mutated_text(rng, rng.choice((*GOOD, *BAD)), WORDS))

    async def one(self, number: int, text: str) -> None:
        """This statement."""
        try:
            row = self._connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
        except (duckdb.Error, UnicodeError):
            return
        assert row is not None
        try:
            refused = judge(row[0])
        except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError, AttributeError) as defect:
            raise Finding(self.name, number, f"the policy raised {type(defect).__name__}", text.encode()) from defect
        named = FORBIDDEN.search(row[0])
        if not refused and named and '"cte_map":{"map":[]}' in row[0]:
            raise Finding(self.name, number, f"allowed, although it names {named[0]}", text.encode())

    async def check(self, number: int) -> None:
        """Memory of this process."""
        if own_memory_bytes() - self._memory_bytes > MOST_GROWTH_BYTES:
            raise Finding(self.name, number, "memory grew by more than 300 MiB")
