"""Deletes what is older than the settings allow, once a day."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from server.ledger import job_attempts, retention
from server.ledger.columns import Cursor
from server.ledger.types import Clock
from server.ledger.writer import Ledger
from server.observability.log import get_logger
from server.records.status import Component
from server.setting_groups import RetentionSettings
from server.times import shown_time
from server.uploads.spool import Spool

log = get_logger("retention")

EVERY = timedelta(days=1)
NO_LETTERS = retention.OldLetters(0, frozenset())


@dataclass(frozen=True, slots=True)
class _Deleted:
    turns: int = 0
    artifacts: tuple[str, ...] = ()
    events: int = 0
    sealed: int = 0
    letters: retention.OldLetters = NO_LETTERS

    @property
    def number(self) -> int:
        return self.turns + len(self.artifacts) + self.events + self.sealed + self.letters.number

    @property
    def has_texts(self) -> bool:
        """Whether texts were deleted. Letters hold none."""
        return self.number > self.letters.number


class Retention:
    """Applies the settings, at the first round and then once a day.

    Args:
        artifacts: Folder of redacted pictures and recordings.
        purge: Writes the ledger anew after rows were deleted.
        alone: Held while rows and files are deleted. A round waits for its turn, also between two backups.
        letter_days: Days that dead letters of some kinds of jobs are kept, in place of ``settings.letters_days``.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        artifacts: Path,
        settings: RetentionSettings,
        clock: Clock,
        purge: Callable[[], Awaitable[None]],
        alone: asyncio.Lock,
        letter_days: Mapping[str, float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._artifacts = artifacts
        self._settings = settings
        self._clock = clock
        self._purge = purge
        self._alone = alone
        self._letter_days = letter_days or {}
        self._applied: datetime | None = None

    @property
    def component(self) -> Component:
        """What is kept for how long, for the status report."""
        kept = self._settings.model_dump()
        limits = [f"{name.removesuffix('_days')} {days:g} days" for name, days in kept.items() if days is not None]
        limits += [f"letters of {kind} {days:g} days" for kind, days in self._letter_days.items()]
        if not limits:
            return Component("retention", True, "Everything is kept until it is erased.")
        when = "not applied yet" if self._applied is None else f"last applied {shown_time(self._applied)}"
        return Component("retention", True, f"Kept: {', '.join(limits)}; {when}.")

    async def round(self) -> int:
        """Delete what is too old, unless that was done within a day; returns how many rows and files went."""
        now = self._clock()
        if not self._letter_days and not any(days is not None for days in self._settings.model_dump().values()):
            return 0
        if self._applied is not None and now - self._applied < EVERY:
            return 0
        async with self._alone:
            return await self._apply(self._clock())

    async def _apply(self, now: datetime) -> int:
        deleted = await self._ledger.write(lambda cursor: self._delete(cursor, now))
        if deleted.number:
            await asyncio.to_thread(self._delete_files, deleted)
            if deleted.has_texts:
                await self._purge()
            log.info(
                "retention",
                turns=deleted.turns,
                artifacts=len(deleted.artifacts),
                events=deleted.events,
                sealed=deleted.sealed,
                letters=deleted.letters.number,
            )
        self._applied = now
        return deleted.number

    def _delete(self, cursor: Cursor, now: datetime) -> _Deleted:
        def before(days: float) -> datetime:
            return now - timedelta(days=days)

        kept = self._settings
        return _Deleted(
            turns=retention.delete_turns(cursor, before(kept.turns_days)) if kept.turns_days else 0,
            artifacts=tuple(retention.clear_artifacts(cursor, before(kept.artifacts_days)))
            if kept.artifacts_days
            else (),
            events=retention.delete_events(cursor, before(kept.events_days)) if kept.events_days else 0,
            sealed=retention.delete_sealed_values(cursor, before(kept.sealed_days)) if kept.sealed_days else 0,
            letters=self._delete_letters(cursor, before),
        )

    def _delete_letters(self, cursor: Cursor, before: Callable[[float], datetime]) -> retention.OldLetters:
        apart, usual_days = self._letter_days, self._settings.letters_days
        found = [retention.delete_letters(cursor, before(days), kinds=[kind]) for kind, days in apart.items()]
        if usual_days:
            found.append(retention.delete_letters(cursor, before(usual_days), but=list(apart)))
            job_attempts.delete_ended(cursor, before(usual_days))
        spool_ids = frozenset[str]().union(*(old.spool_ids for old in found))
        return retention.OldLetters(sum(old.number for old in found), spool_ids)

    def _delete_files(self, deleted: _Deleted) -> None:
        for path in deleted.artifacts:
            (self._artifacts / path).unlink(missing_ok=True)
        for spool_id in deleted.letters.spool_ids:
            self._spool.delete(spool_id)
