"""Deletes what is older than the settings, or the flow of a session, allow; once a day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from server.erasure.eraser import Eraser
from server.flows.definition import FlowDefinition
from server.ledger import job_attempts, retention
from server.ledger.columns import Cursor
from server.ledger.locks import lock_deletion, lock_letters
from server.ledger.retention import EVERY_FLOW, FlowVersion
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, SessionState
from server.observability.log import get_logger
from server.records.status import Component
from server.setting_groups import RetentionSettings
from server.times import shown_time
from server.uploads.spool import Spool

log = get_logger("retention")

EVERY = timedelta(days=1)
_WHOLE: Final[Mapping[str, Sequence[SessionState]]] = {
    "records_days": retention.DECIDED,
    "unfinished_days": retention.UNFINISHED,
}
"""Limits that end whole sessions, and the states of those."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Limits of all sessions, or of those of one version of a flow."""

    flow: FlowVersion
    days: Mapping[str, float]

    @property
    def label(self) -> str:
        return "" if self.flow == EVERY_FLOW else f"{self.flow.name}@{self.flow.version} "

    def before(self, limit: str, now: datetime) -> datetime | None:
        """The time before which something must have been made to be too old; none without this limit."""
        return now - timedelta(days=self.days[limit]) if limit in self.days else None


@dataclass(slots=True)
class _Deleted:
    """What a round has deleted."""

    sessions: int = 0
    turns: int = 0
    artifacts: list[str] = field(default_factory=list)
    events: int = 0
    sealed: int = 0
    letters: int = 0
    spool_ids: set[str] = field(default_factory=set)

    @property
    def number(self) -> int:
        return self.sessions + self.turns + len(self.artifacts) + self.events + self.sealed + self.letters

    @property
    def has_texts(self) -> bool:
        """Whether texts were deleted. Letters hold none."""
        return self.number > self.letters

    def add(self, old: retention.OldLetters) -> None:
        """Count letters."""
        self.letters += old.number
        self.spool_ids |= old.spool_ids


class Retention:
    """Applies the limits of the settings and of the flows, at the first round and then once a day.

    Those of the settings hold for all sessions. Those of a flow hold besides, for the sessions of its version: so the
    shorter of both wins.

    Args:
        artifacts: Folder of redacted pictures and recordings.
        eraser: Erases whole sessions, and writes the ledger anew after rows were deleted. Its ``alone`` is held while
            rows and files are deleted. A round waits for its turn, also between two backups.
        letter_days: Days that dead letters of some kinds of jobs are kept, in place of ``settings.letters_days``.
        flows: Gives every version of which there may be sessions now.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        artifacts: Path,
        settings: RetentionSettings,
        clock: Clock,
        eraser: Eraser,
        letter_days: Mapping[str, float] | None = None,
        flows: Callable[[], Sequence[FlowDefinition]] = tuple,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._artifacts = artifacts
        self._clock = clock
        self._eraser = eraser
        self._letter_days = letter_days or {}
        self._settings = settings
        self._flows = flows
        self._applied: datetime | None = None
        self._has_bytes = False  # of what was deleted, in the files of the ledger

    @property
    def _rules(self) -> list[_Rule]:
        of_flows = [_Rule(FlowVersion(flow.name, flow.version), flow.retention.limits) for flow in self._flows()]
        return [_Rule(EVERY_FLOW, self._settings.limits), *(rule for rule in of_flows if rule.days)]

    @property
    def component(self) -> Component:
        """What is kept for how long, for the status report."""
        limits = [
            f"{rule.label}{name.removesuffix('_days')} {days:g} days"
            for rule in self._rules
            for name, days in rule.days.items()
        ]
        limits += [f"letters of {kind} {days:g} days" for kind, days in self._letter_days.items()]
        if not limits:
            return Component("retention", True, "Everything is kept until it is erased.")
        when = "not applied yet" if self._applied is None else f"last applied {shown_time(self._applied)}"
        return Component("retention", True, f"Kept: {', '.join(limits)}; {when}.")

    async def round(self) -> int:
        """Delete what is too old, unless that was done within a day; returns how many rows and files went.

        A session that goes as a whole counts as one.
        """
        now = self._clock()
        if not self._letter_days and not any(rule.days for rule in self._rules):
            return 0
        if self._applied is not None and now - self._applied < EVERY:
            return 0
        async with self._eraser.alone:
            return await self._apply(self._clock())

    async def _apply(self, now: datetime) -> int:
        sessions = await self._erase_sessions(now)
        deleted = await self._ledger.write(lambda cursor: self._delete(cursor, now))
        deleted.sessions = sessions
        await asyncio.to_thread(self._delete_files, deleted)
        self._has_bytes = self._has_bytes or deleted.has_texts
        if self._has_bytes:
            await self._eraser.purge()
            self._has_bytes = False
        if deleted.number:
            log.info(
                "retention",
                sessions=deleted.sessions,
                turns=deleted.turns,
                artifacts=len(deleted.artifacts),
                events=deleted.events,
                sealed=deleted.sealed,
                letters=deleted.letters,
            )
        self._applied = now
        return deleted.number

    async def _erase_sessions(self, now: datetime) -> int:
        """Erase whole sessions that ended too long ago; returns how many."""
        number = 0
        for rule in self._rules:
            for limit, states in _WHOLE.items():
                if before := rule.before(limit, now):
                    number += await self._erase_ended(rule, limit, states, before)
        return number

    async def _erase_ended(self, rule: _Rule, limit: str, states: Sequence[SessionState], before: datetime) -> int:
        def find(cursor: Cursor) -> frozenset[str]:
            return retention.old_sessions(cursor, states, before, rule.flow)

        number = 0
        while found := await self._ledger.read(find):
            await self._eraser.expire(found, f"{rule.label}{limit}")
            number += len(found)
        return number

    def _delete(self, cursor: Cursor, now: datetime) -> _Deleted:
        lock_deletion(cursor)
        lock_letters(cursor)
        deleted = _Deleted()
        for rule in self._rules:
            if before := rule.before("turns_days", now):
                deleted.turns += retention.delete_turns(cursor, before, rule.flow)
            if before := rule.before("artifacts_days", now):
                deleted.artifacts += retention.clear_artifacts(cursor, before, rule.flow)
            if before := rule.before("events_days", now):
                deleted.events += retention.delete_events(cursor, before, rule.flow)
            if before := rule.before("sealed_days", now):
                deleted.sealed += retention.delete_sealed_values(cursor, before, rule.flow)
            self._delete_letters(cursor, rule, now, deleted)
        return deleted

    def _delete_letters(self, cursor: Cursor, rule: _Rule, now: datetime, deleted: _Deleted) -> None:
        """Delete dead letters. A limit by kind takes the place of that of the settings; a flow's is for all kinds."""
        apart = self._letter_days if rule.flow == EVERY_FLOW else {}
        for kind, days in apart.items():
            deleted.add(retention.delete_letters(cursor, now - timedelta(days=days), kinds=[kind]))
        if before := rule.before("letters_days", now):
            deleted.add(retention.delete_letters(cursor, before, but=list(apart), flow=rule.flow))
            if rule.flow == EVERY_FLOW:
                job_attempts.delete_ended(cursor, before)

    def _delete_files(self, deleted: _Deleted) -> None:
        for path in deleted.artifacts:
            (self._artifacts / path).unlink(missing_ok=True)
        for spool_id in deleted.spool_ids:
            self._spool.delete(spool_id)
