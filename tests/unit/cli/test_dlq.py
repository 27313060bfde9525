"""`vestibule dlq` and the calls of scripts, against the real service over a real ledger."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from server.cli.main import cli
from server.cli.output import Failure
from server.ledger import job_attempts, jobs
from server.ledger.columns import Cursor
from server.operations import clear_older_than, list_letters, retry_letters
from tests.unit.jobs.conftest import World
from tests.unit.jobs.letters import Letters


@dataclass
class Served:
    """Letters behind a port."""

    letters: Letters

    async def run(self, *arguments: str) -> Result:
        """Run `vestibule dlq` beside the server."""
        return await asyncio.to_thread(CliRunner().invoke, cli, ["dlq", *arguments])

    async def read(self, *arguments: str) -> Any:
        """The JSON of a command that succeeds."""
        result = await self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    world = World(tmp_path)
    letters = Letters(world)
    async with letters.serving() as address:
        monkeypatch.setenv("VESTIBULE_ADDRESS", address)
        yield Served(letters)
    await world.runner.stop(0)
    world.ledger.close()


async def test_lists_are_filtered(served: Served) -> None:
    picture = await served.letters.add(age=timedelta(hours=5))
    reply = await served.letters.add("reply", "UPSTREAM_FAILED")
    # The commands count an age from the time now; the ledger's clock stands in the past.
    for given, found in (
        ((), [reply, picture]),
        (("--kind", "reply"), [reply]),
        (("--failed-with", "WORKER_LOST"), [picture]),
        (("--kind", "reply", "--failed-with", "WORKER_LOST"), []),
        (("--client", "other"), []),
        (("--session", str(uuid4())), []),
        (("--older-than", "1s"), [reply, picture]),
        (("--limit", "1"), [reply]),
    ):
        assert [row["id"] for row in await served.read("list", *given)] == found, given
    shown = (await served.run("list")).stdout
    assert "WORKER_LOST" in shown
    assert "UPSTREAM_FAILED" in shown


async def test_a_client_of_tokens_is_found_by_the_id_of_its_issuer(served: Served) -> None:
    letter_id = await served.letters.add()
    world = served.letters.world
    stored_as = served.letters.audit.trail.client_pseudonym("shop-7")
    assert stored_as != "shop-7"

    def belong(cursor: Cursor) -> None:
        cursor.execute("UPDATE sessions SET client_id = ? WHERE id = ?", [stored_as, world.session_id])

    await world.ledger.write(belong)
    for client, found in (("shop-7", [letter_id]), (stored_as, [letter_id]), ("shop-8", [])):
        assert [row["id"] for row in await served.read("list", "--client", client)] == found


async def test_show_has_every_attempt_and_what_the_job_works_on(served: Served) -> None:
    letter_id = await served.letters.add()
    job_id = (await served.letters.get(letter_id)).job_id
    now = served.letters.world.clock()

    def attempt(cursor: Cursor) -> None:
        job = jobs.get(cursor, job_id)
        job_attempts.insert_attempt(cursor, job, now, "retry", "WORKER_LOST")

    await served.letters.world.ledger.write(attempt)
    shown = await served.read("show", letter_id)
    assert [(row["number"], row["outcome"], row["reason"]) for row in shown["job_attempts"]] == [
        (6, "retry", "WORKER_LOST")
    ]
    assert set(shown["references"]) == {"upload_id"}, "the name of a file in the spool is nobody's business"
    table = (await served.run("show", letter_id)).stdout
    assert re.search(r"outcome", table)
    assert shown["references"]["upload_id"] in table
    missing = await served.run("show", str(uuid4()))
    assert missing.exit_code == 1
    assert "[DEAD_LETTER_NOT_FOUND]" in missing.stderr


async def test_a_dry_run_counts_and_changes_nothing(served: Served) -> None:
    ids = [await served.letters.add() for _ in range(2)]
    result = await served.run("retry", "--failed-with", "WORKER_LOST", "--dry-run")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "2 letters match. Nothing was changed.")
    assert "read_picture" in result.stdout
    assert [row["id"] for row in await served.read("list")] == sorted(ids)
    assert (await served.read("discard", "--all", "--dry-run"))["matched_count"] == 2


async def test_letters_are_retried_over_several_calls_and_discarded(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(85):
        await served.letters.add()
    reply = await served.letters.add("reply")
    operation = str(uuid4())
    done = await served.run("retry", "--kind", "read_picture", "--reason", "worker_fixed", "--operation-id", operation)
    assert (done.exit_code, done.stdout) == (0, "85 letters were put back into their queues.\n")
    assert done.stderr == f"Operation {operation}\n80 of 85\n"
    assert (await served.read("discard", reply, "--reason", "duplicate"))["done_count"] == 1
    closed = await served.letters.get(reply)
    assert (closed.closed_as, closed.closed_reason) == ("discarded", "duplicate")
    assert await served.read("list") == []


async def test_what_cannot_be_redriven_is_a_failure_that_ends(served: Served) -> None:
    await served.letters.add("of_another_release")
    failed = await served.run("retry", "--all", "--reason", "worker_fixed")
    assert failed.exit_code == 1
    assert failed.stdout.splitlines()[-1] == "0 of 1 letter was put back into its queue."
    assert "1 letter could not be closed" in failed.stderr


@pytest.mark.parametrize(
    "given",
    ["retry --reason x", "retry --all", "retry --all --kind reply --reason x", "discard --all --reason Because",
     "clear", "clear --older-than soon", "retry nonsense --reason x"],
)  # fmt: skip
async def test_wrong_usage_is_refused_before_any_call(given: str) -> None:
    assert CliRunner().invoke(cli, ["dlq", *given.split(), "--address", "127.0.0.1:1"]).exit_code == 2


async def test_clear_discards_what_is_older(served: Served) -> None:
    await served.letters.add()
    assert (
        await served.run("clear", "--older-than", "9999d")
    ).stdout == "No open letter matches. Nothing was changed.\n"
    assert (await served.run("clear", "--older-than", "1h", "--dry-run")).stdout.splitlines()[-1] == (
        "1 letter matches. Nothing was changed."
    )
    assert (await served.run("clear", "--older-than", "1h")).stdout == "1 letter was discarded.\n"
    assert (await served.run("clear", "--older-than", "1h", "--dry-run")).stdout == "No open letter matches.\n"


async def test_a_list_says_what_became_of_each_letter_and_why_it_is_empty(served: Served) -> None:
    assert (await served.run("list")).stdout == "There are no open dead letters.\n"
    for action in ("retry", "discard"):
        await served.run(action, await served.letters.add(), "--reason", "done")
    await served.letters.add("reply")
    assert (await served.run("list", "--kind", "read_picture")).stdout == "No dead letter matches.\n"
    listed = (await served.run("list", "--all")).stdout
    assert all(re.search(rf"\b{state}\b", listed) for state in ("open", "retried", "discarded"))


async def test_stats_count_by_kind_and_reason(served: Served) -> None:
    for _ in range(2):
        await served.letters.add()
    closed = await served.letters.add("reply")
    await served.run("discard", closed, "--reason", "old")
    rows = await served.read("stats")
    assert [(row["kind"], row["reason"], row["open"], row["closed"]) for row in rows] == [
        ("read_picture", "WORKER_LOST", 2, 0),
        ("reply", "WORKER_LOST", 0, 1),
    ]
    assert "WORKER_LOST" in (await served.run("stats")).stdout


async def test_watch_prints_letters_as_they_come(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    await served.letters.add()
    loop, now = asyncio.get_running_loop(), [0.0]
    added: list[str] = []

    def wait(seconds: float) -> None:
        now[0] += seconds
        if not added:
            added.append(asyncio.run_coroutine_threadsafe(served.letters.add("reply"), loop).result())

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", wait)
    result = await served.run("watch", "--seconds", "5")
    lines = result.stdout.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f"reply  WORKER_LOST  attempts 6  {added[0]}")


async def test_ctrl_c_ends_a_watch_quietly(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    for more in ((), ("--json",), ("--seconds", "5")):
        result = await served.run("watch", *more)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "Waiting for new dead letters. Ctrl+C ends.\n"


async def test_scripts_list_retry_and_clear(served: Served) -> None:
    for kind in ("read_picture", "reply", "reply"):
        await served.letters.add(kind)
    listed = await asyncio.to_thread(list_letters, kind="reply")
    assert [row["reason"] for row in listed] == ["WORKER_LOST"] * 2
    done = await asyncio.to_thread(retry_letters, kind="reply", reason="worker_fixed")
    assert (done["matched"], done["done"]) == (2, 2)
    cleared = await asyncio.to_thread(clear_older_than, timedelta(hours=1))
    assert (cleared["matched"], cleared["done"]) == (1, 1)
    assert await asyncio.to_thread(list_letters) == []
    with pytest.raises(Failure) as refused:
        await asyncio.to_thread(retry_letters, reason="again", operation_id=done["operation_id"])
    assert refused.value.reason == "OPERATION_ID_USED"
