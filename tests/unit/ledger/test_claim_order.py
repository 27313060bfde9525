"""A claim in PostgreSQL gives what the query over all open jobs gives in DuckDB, whatever happened before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pytest

from server.ledger import claims, job_ends, jobs, sessions
from server.ledger.columns import Cursor, count, fetch_all
from server.ledger.types import JobRow
from tests.unit.ledger.at_once import transaction
from tests.unit.ledger.makers import after, job, session
from tests.unit.ledger.migrated import migrated_file

ALONE = ["WORKER_LOST"]
REASONS = ["WORKER_LOST", "UPSTREAM_TIMEOUT", "UPSTREAM_TIMEOUT"]
STEPS = 120
OWNER = "v1/me"


@dataclass(slots=True)
class Both:
    """The same steps on both engines.

    Attributes:
        kinds: Of the jobs; one of them, some, or all are claimed.
        limits: How many jobs a claim may ask for.
        back: How likely it is that a job that was claimed is put back.
    """

    engines: tuple[Cursor, Cursor]
    draw: random.Random
    kinds: tuple[str, ...]
    limits: tuple[int, ...]
    back: float
    at_s: float = 0.0
    session_ids: list[str] = field(default_factory=list)
    held: dict[str, JobRow] = field(default_factory=dict)

    def _on_both(self, fn: Callable[[Cursor], object]) -> None:
        for cursor in self.engines:
            fn(cursor)

    def open_sessions(self, number: int) -> None:
        """Sessions of three clients, one of which has most."""
        for place in range(number):
            row = session(client_id=self.draw.choice(["large", "large", "large", "small", "other"]), at=place)
            self._on_both(lambda cursor, row=row: sessions.insert_or_get(cursor, row))  # type: ignore[misc]
            self.session_ids.append(row.id)

    def enqueue(self) -> None:
        """Add a job of some session, or of none."""
        owner = self.draw.choice([*self.session_ids, "", self.session_ids[0]])
        row = job(owner, at=self.at_s, kind=self.draw.choice(self.kinds), due=self.at_s)
        self._on_both(lambda cursor: jobs.enqueue(cursor, row))

    def claim(self) -> list[str]:
        """Claim on both; the same jobs must come in the same order."""
        kinds = self.draw.choice([(kind,) for kind in self.kinds] + [(), self.kinds[:2]])
        limit, lease_s = self.draw.choice(self.limits), self.draw.choice([5.0, 400.0])
        held = list(self.held)[:: self.draw.choice([1, 2])]
        ours, theirs = (
            claims.claim(cursor, OWNER, after(self.at_s), lease_s, limit, kinds, held, ALONE) for cursor in self.engines
        )
        assert [row.id for row in theirs] == [row.id for row in ours]
        self.held |= {row.id: row for row in ours}
        return [row.id for row in ours]

    def end(self) -> None:
        """End a job that is held, or put it back."""
        row = self.held.pop(self.draw.choice(sorted(self.held)))
        how = self.draw.random()
        reason = self.draw.choice(REASONS)
        due = after(self.at_s + self.draw.choice([0.0, 20.0, 500.0]))
        if how < self.back:
            self._on_both(lambda cursor: jobs.reschedule(cursor, row.id, due, reason, owner=OWNER))
        elif how < self.back + 0.1:
            self._on_both(
                lambda cursor: job_ends.fail(
                    cursor, row.id, after(self.at_s), reason=reason, message="It failed.", owner=OWNER
                )
            )
        else:
            self._on_both(lambda cursor: job_ends.finish(cursor, row.id, owner=OWNER))

    def redrive(self) -> None:
        """Redrive the oldest dead letter, which may be of an earlier job than the first open one of its session."""

        def first(cursor: Cursor) -> None:
            found = fetch_all(cursor, "SELECT id FROM dead_letters WHERE closed_as = '' ORDER BY create_time LIMIT 1")
            for row in found:
                job_ends.redrive(cursor, row["id"], after(self.at_s))

        self._on_both(first)

    def step(self) -> None:
        """Do one thing, some time after the last."""
        self.at_s += self.draw.choice([0.5, 1.0, 7.0, 60.0])
        choice = self.draw.random()
        if choice < 0.45:
            self.enqueue()
        elif choice < 0.65:
            self.claim()
        elif choice < 0.95 and self.held:
            self.end()
        else:
            self.redrive()

    def drain(self) -> int:
        """Claim and end until nothing is open; returns the number of claims."""
        number = 0
        while count(self.engines[0], "SELECT count(*) FROM jobs WHERE state IN ('QUEUED', 'RUNNING')"):
            number += 1
            self.at_s += 30.0
            self.claim()
            self.back = 0.0
            while self.held:
                self.end()
            assert number < 2000, "a job is never found"
        return number


def _both(
    embedded: Cursor, postgres: Cursor, seed: int, kinds: tuple[str, ...], limits: tuple[int, ...], back: float
) -> Both:
    return Both((embedded, postgres), random.Random(seed), kinds, limits, back)


@pytest.fixture
def embedded(tmp_path: Path) -> Cursor:
    return duckdb.connect(str(migrated_file(tmp_path / "reference.duckdb")))


@pytest.mark.parametrize("seed", range(6))
def test_a_claim_gives_what_the_query_over_all_jobs_gives(embedded: Cursor, postgres_url: str, seed: int) -> None:
    """With jobs of several kinds, put back, lost, alone, dead and redriven. No more are due than are looked at."""
    with transaction(postgres_url) as cursor:
        both = _both(embedded, cursor, seed, ("picture", "recording", "reply"), (5, 9), back=0.3)
        both.open_sessions(8)
        for _ in range(STEPS):
            both.step()
        assert both.drain() > 1


@pytest.mark.parametrize("seed", range(2))
def test_a_claim_of_one_of_many_jobs_that_were_never_tried_gives_the_first(
    embedded: Cursor, postgres_url: str, seed: int
) -> None:
    """Also where far more are due than are looked at."""
    with transaction(postgres_url) as cursor:
        both = _both(embedded, cursor, seed, ("reply",), (1, 2), back=0.0)
        both.open_sessions(40)
        for _ in range(80):
            both.at_s += 0.5
            both.enqueue()
        for _ in range(STEPS // 2):
            both.at_s += 0.5
            both.enqueue()
            both.claim()
            while len(both.held) > 5:
                both.end()
