"""Runs the checks at the same time, each with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from models.errors import VestibuleError
from server.doctor.checks import CHECKS, NamedCheck
from server.doctor.results import Finding, Situation, problem, refused
from server.runtime.daemon_thread import answer_of_thread

LONGEST_S: Final = 20.0
"""Bound of one check. The slowest reads all weights, 230 MB, which takes a second or two from a usual disk."""


async def run_checks(
    situation: Situation, checks: Sequence[NamedCheck] = CHECKS, longest_s: float = LONGEST_S
) -> list[Finding]:
    """Run checks at the same time; returns what they found, in the order of the checks.

    A check that fails unexpectedly, or takes too long, is a problem of its own, and the others go on.
    """
    found = await asyncio.gather(*(_bounded(check, situation, longest_s) for check in checks))
    return [finding for each in found for finding in each]


async def _bounded(check: NamedCheck, situation: Situation, longest_s: float) -> list[Finding]:
    try:
        return await answer_of_thread(lambda: list(_guarded(check, situation)), f"doctor {check.name}", longest_s)
    except TimeoutError:
        hint = "A disk or a network that does not answer may be the cause. Run the command again."
        return [problem(check.name, f"The check did not end within {longest_s:g} s.", hint)]


def _guarded(check: NamedCheck, situation: Situation) -> Iterator[Finding]:
    """What a check finds, and last why it failed, if it did. What it has found before stays."""
    try:
        yield from check.look(situation)
    except VestibuleError as error:
        yield refused(check.name, error)
    except PermissionError:
        hint = "Run the command as the user of the server, or as root."
        yield problem(check.name, "This user may not look there.", hint)
    except Exception as error:  # noqa: BLE001 - one check that fails must not hide what the others find
        found = f"The check itself failed ({type(error).__name__})."
        yield problem(check.name, found, "This is a defect of Vestibule, please report it.")
