"""The checks run at the same time and within a bound; one that fails hides nothing of the others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

from models.errors import InvalidInput
from models.reasons import Reason
from server.doctor.checks import CHECKS, NamedCheck
from server.doctor.results import Finding, Level, Situation, ok
from server.doctor.run import run_checks
from tests.unit.doctor.situations import bad, lines, situation

SECRET = "the name of somebody"


def test_each_check_has_a_name_of_its_own() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


async def test_a_check_that_fails_is_a_problem_without_the_text_of_its_error(tmp_path: Path) -> None:
    def fails(_looked_at: Situation) -> Iterator[Finding]:
        yield ok("begun", "It began.")
        raise RuntimeError(SECRET)

    def refuses(_looked_at: Situation) -> Iterator[Finding]:
        raise InvalidInput("It is wrong.", reason=Reason.FLOW_INVALID, hint="Mend it.")

    checks = [NamedCheck("first", fails), NamedCheck("second", refuses), NamedCheck("third", lambda _: [ok("x", "y")])]
    found = await run_checks(situation(tmp_path), checks)
    assert lines(found) == [("ok", "begun"), ("problem", "first"), ("problem", "second"), ("ok", "x")]
    assert "RuntimeError" in found[1].found
    assert SECRET not in str(found)
    assert (found[2].found, found[2].hint, found[2].reason) == ("It is wrong.", "Mend it.", "FLOW_INVALID")


async def test_a_user_who_may_not_look_is_told_so(tmp_path: Path) -> None:
    def looks(_looked_at: Situation) -> list[Finding]:
        raise PermissionError(13, "Permission denied", SECRET)

    [found] = await run_checks(situation(tmp_path), [NamedCheck("keys", looks)])
    assert (found.level, found.subject) == ("problem", "keys")
    assert "as the user of the server" in found.hint
    assert SECRET not in str(found)


async def test_a_check_without_an_end_is_a_problem_and_holds_up_no_other(tmp_path: Path) -> None:
    released, met = threading.Event(), threading.Barrier(2, timeout=60)

    def meets(_looked_at: Situation) -> list[Finding]:
        met.wait()  # passes only while the other one runs, too
        return [ok("met", "It ran beside the other.")]

    def hangs(_looked_at: Situation) -> list[Finding]:
        released.wait()
        return []

    both = [NamedCheck("one", meets), NamedCheck("other", meets)]
    assert bad(await run_checks(situation(tmp_path), both, longest_s=60)) == []
    try:
        found = await run_checks(situation(tmp_path), [NamedCheck("disks", hangs)], longest_s=0.01)
    finally:
        released.set()
    assert [(each.level, each.subject) for each in found] == [(Level.PROBLEM, "disks")]


def test_on_a_new_machine_nothing_is_wrong_and_nothing_is_made(tmp_path: Path, weights_cache: Path) -> None:
    looked_at = situation(tmp_path, cache_dir=weights_cache.parent, ray={"dashboard_port": 0, "object_store_bytes": 1})
    found = asyncio.run(run_checks(looked_at))
    of_this_machine = {"memory", "cores", "open files", "clock", "Ray", "disk of the spool", "disk of the ledger"}
    assert [each for each in bad(found) if each.subject not in of_this_machine] == []
    assert list(tmp_path.iterdir()) == []
