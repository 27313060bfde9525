"""An assistant whose answers are written by the test."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass

from models.errors import RedactionFailed, UpstreamFailed, VestibuleError
from models.text import RedactedText
from server.flows.briefing import Briefing
from server.flows.definition import FlowDefinition
from server.ledger.types import Origin
from server.llm.types import (
    Exchange,
    OnboardingRecord,
    ProposedValue,
    RecordField,
    RejectedRecord,
    ReplyStream,
    SourceItem,
    Verdicts,
    WrittenRecord,
)

DEFAULT_PIECES = ("Thank you. ", "What does the meter read?")
FALLBACK_PIECES = ("I have noted that.",)
FALLBACK_RECORD = OnboardingRecord("Written without a model.", ())


@dataclass(frozen=True, slots=True)
class AskedReply:
    """A call of ``reply``, as it came."""

    said: RedactedText
    history: tuple[Exchange, ...]
    language: str
    fallback: bool
    retry: bool = False
    instruction: RedactedText | None = None
    briefing: Briefing | None = None


@dataclass(frozen=True, slots=True)
class AskedRecord:
    """A call of ``propose``, as it came."""

    materials: tuple[SourceItem, ...]
    language: str
    fallback: bool
    retry: bool = False
    rejected: tuple[RejectedRecord, ...] = ()
    again: bool = False


class FakeAssistant:
    """Implements ``server.llm.types.Assistant``; answers come from queues, then from defaults.

    A scripted error is raised to a background caller (``fallback=False``) and turned into the fallback for a person
    who waits, as the real one does. An error between pieces breaks the stream there, for both. ``hold()`` makes every
    call wait until ``release()``.
    """

    def __init__(self, *, configured: bool = True) -> None:
        self.is_configured = configured
        self.asked_replies: list[AskedReply] = []
        self.asked_records: list[AskedRecord] = []
        self.asked_checks: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.verdicts: Verdicts | None = None
        self._replies: deque[tuple[str | VestibuleError, ...]] = deque()
        self._records: deque[OnboardingRecord | VestibuleError] = deque()
        self._free = asyncio.Event()
        self._free.set()

    @property
    def configured(self) -> bool:
        return self.is_configured

    def script_reply(self, *pieces: str | VestibuleError) -> None:
        """Queue one reply; an error as the first piece fails the call itself."""
        self._replies.append(pieces)

    def script_record(self, record: OnboardingRecord | VestibuleError) -> None:
        """Queue one record or failure."""
        self._records.append(record)

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    async def reply(
        self,
        said: RedactedText,
        history: list[Exchange],
        *,
        language: str,
        fallback: bool,
        retry: bool = False,
        instruction: RedactedText | None = None,
        briefing: Briefing | None = None,
    ) -> ReplyStream:
        unsafe = not _all_safe([said, *(text for turn in history for text in (turn.said, turn.answered) if text)])
        if unsafe and not fallback:
            raise RedactionFailed("A text is not safe for the assistant.")
        self.asked_replies.append(AskedReply(said, tuple(history), language, fallback, retry, instruction, briefing))
        await self._free.wait()
        if unsafe:
            return ReplyStream(_stream(FALLBACK_PIECES), Origin.FALLBACK)
        pieces = self._replies.popleft() if self._replies else DEFAULT_PIECES
        if self.is_configured and pieces and not isinstance(pieces[0], VestibuleError):
            return ReplyStream(_stream(pieces), Origin.MODEL)
        if fallback:
            return ReplyStream(_stream(FALLBACK_PIECES), Origin.FALLBACK)
        raise _error(pieces[0] if pieces else None)

    async def propose(
        self,
        materials: list[SourceItem],
        *,
        flow: FlowDefinition,
        language: str,
        fallback: bool,
        retry: bool = False,
        rejected: Sequence[RejectedRecord] = (),
        again: bool = False,
    ) -> WrittenRecord:
        if not fallback and not _all_safe(m.text for m in materials):
            raise RedactionFailed("A text is not safe for the assistant.")
        self.asked_records.append(AskedRecord(tuple(materials), language, fallback, retry, tuple(rejected), again))
        await self._free.wait()
        record = self._records.popleft() if self._records else _default_record(materials)
        if self.is_configured and isinstance(record, OnboardingRecord):
            return WrittenRecord(record, Origin.MODEL)
        if fallback:
            return WrittenRecord(FALLBACK_RECORD, Origin.FALLBACK)
        raise _error(record)

    async def check(
        self, items: list[SourceItem], proposed: list[ProposedValue], *, flow: FlowDefinition, fallback: bool
    ) -> Verdicts | None:
        self.asked_checks.append((flow.label, tuple((each.name, each.value.value) for each in proposed)))
        return self.verdicts


def _error(scripted: object) -> VestibuleError:
    return scripted if isinstance(scripted, VestibuleError) else UpstreamFailed("No upstream is set.")


def _all_safe(texts: Iterable[RedactedText]) -> bool:
    return all(text.safe_for_llm for text in texts)


def _default_record(materials: list[SourceItem]) -> OnboardingRecord:
    fields = tuple(RecordField(f"{material.kind}_seen", "yes", material.id) for material in materials[:1])
    return OnboardingRecord("A visit.", fields, ("meter_reading",))


async def _stream(pieces: Iterable[str | VestibuleError]) -> AsyncGenerator[str, None]:
    for piece in pieces:
        if isinstance(piece, VestibuleError):
            raise piece
        yield piece
