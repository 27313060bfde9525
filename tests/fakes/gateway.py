"""A gateway without Ray. It answers at once, records its calls, and fails on command.

The real one is ``ray_tasks.gateway.RayGateway``; ``tests/ray`` runs both through the same contract.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from models.errors import DeadlineExceeded, NoSpeech, Unavailable, VestibuleError
from models.media.samples import SAMPLE_RATE_HZ
from models.reasons import Reason
from models.redaction.types import NO_SCOPE, NOTHING_HELD_BACK, HeldBack, Redaction, RedactionContext, RedactionScope
from models.speech.muting.redact_recording import RedactedRecording
from models.speech.types import RedactedWord
from models.text import Entity, RawText, RedactedText
from models.vision.types import RedactedLine, RedactedPage
from ray_tasks.types import EngineInfo, RecordingResult, RecordingSource, SpeechModels, SpeechStep, SpeechWindow

BYTES_PER_SAMPLE = 4
SPOKEN = "Hello, my name is [REDACTED_NAME]. The meter reads four eight two one seven."
PRINTED = ("VISITOR REGISTER", "[REDACTED_NAME] [REDACTED_PHONE] 08:15")
ONE_PIXEL_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg=="
)

Result = SpeechStep | RecordingResult | RedactedPage | list[Redaction]
Outcome = Result | VestibuleError


def redacted(value: str) -> RedactedText:
    """A RedactedText of which the tags are counted, the way a redactor would have built it."""
    counts: dict[str, int] = {}
    for piece in value.split("[REDACTED_")[1:]:
        kind = piece.partition("]")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return RedactedText.restore(value, counts, safe_for_llm=True)


def recording_source(data: bytes) -> RecordingSource:
    """A recording that is in memory already."""

    async def pieces() -> AsyncIterator[bytes]:
        half = len(data) // 2
        for piece in (data[:half], data[half:]):
            yield piece

    return RecordingSource(len(data), pieces)


def page(*lines: str, image: bytes = ONE_PIXEL_PNG) -> RedactedPage:
    """A page with the given redacted lines, one below the other."""
    tops = [float(20 * n) for n in range(len(lines) + 1)]
    boxes = [((0.0, top), (100.0, top), (100.0, end), (0.0, end)) for top, end in pairwise(tops)]
    built = tuple(RedactedLine(redacted(line), box, 0.99) for line, box in zip(lines, boxes, strict=True))
    text = RedactedText.join((line.text for line in built), "\n")
    painted = sum(text.counts.values())
    return RedactedPage(built, text, image, "image/png", width=1, height=1, painted=painted, compute_s=0.01)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it arrived: ``argument`` is the window, the bytes or the texts."""

    method: str
    argument: SpeechWindow | bytes | list[RawText] | SpeechModels
    timeout_s: float
    detail: str = ""
    scope: RedactionScope = NO_SCOPE
    asked_for: tuple[str, ...] = ()


@dataclass
class FakeGateway:
    """Implements ``ray_tasks.types.Gateway``.

    Without a script a partial shows one more word of ``spoken`` for each ``word_s`` of audio, a final shows all of it,
    and audio that is all zeros is silence. A picture reads as ``printed``. ``redact`` replaces the keys of ``secrets``
    by tags. ``will`` queues other outcomes for a method, in order; each is used once. ``hold`` makes a method wait
    until the returned event is set (or its deadline or a cancellation comes).

    Attributes:
        complete: Whether finals are whole sentences.
        detects: The language where none is given, and its probability.
        confidence: Of what is heard.
        calls: Every call, in order of arrival.
        cancelled: Names of the methods that were cancelled while they waited.
        running: Calls that wait now.
        models: The weights in use.
    """

    spoken: str = SPOKEN
    printed: tuple[str, ...] = PRINTED
    secrets: Mapping[str, str] = field(default_factory=dict)
    word_s: float = 0.25
    healthy: bool = True
    complete: bool = False
    detects: tuple[str, float] = ("en", 1.0)
    confidence: float = 0.9
    calls: list[Call] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    running: int = 0
    models: SpeechModels = field(default_factory=SpeechModels)
    _scripts: dict[str, deque[Outcome]] = field(default_factory=dict)
    _holds: dict[str, asyncio.Event] = field(default_factory=dict)

    def will(self, method: str, *outcomes: Outcome) -> None:
        """Queue what the next calls of a method return or raise."""
        self._scripts.setdefault(method, deque()).extend(outcomes)

    def hold(self, method: str) -> asyncio.Event:
        """Make calls of a method wait until the event is set, or recordings for "room" before they are loaded."""
        return self._holds.setdefault(method, asyncio.Event())

    def called(self, method: str) -> list[Call]:
        """The calls of one method."""
        return [call for call in self.calls if call.method == method]

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``."""
        scripted = await self._arrive(Call("speech_step", window, timeout_s, window.language, window.scope))
        return scripted if isinstance(scripted, SpeechStep) else self._listen(window)

    async def read_recording(
        self,
        recording: RecordingSource,
        *,
        language: str,
        timeout_s: float,
        scope: RedactionScope = NO_SCOPE,
        keep_redacted: bool = False,
    ) -> RecordingResult:
        """See ``Gateway``."""
        pieces = recording.pieces()  # before there is room, as the gateway to Ray's process does
        await self._room()
        data = b"".join([piece async for piece in pieces])
        scripted = await self._arrive(Call("read_recording", data, timeout_s, language, scope))
        if isinstance(scripted, RecordingResult):
            return scripted
        if not any(data):
            raise NoSpeech("Nobody speaks in the recording.")
        text = redacted(self.spoken)
        muted = RedactedRecording(b"fLaC muted", "audio/flac", 4.0, ((1.0, 2.0),)) if keep_redacted else None
        segments = ((0.0, 4.0, text),)
        return RecordingResult(text, language or "en", audio_s=4.0, compute_s=0.1, segments=segments, redacted=muted)

    async def _room(self) -> None:
        if (room := self._holds.get("room")) is None:
            return
        self.running += 1
        try:
            await room.wait()
        except asyncio.CancelledError:
            self.cancelled.append("room")
            raise
        finally:
            self.running -= 1

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """See ``Gateway``."""
        scripted = await self._arrive(Call("read_picture", data, timeout_s, document_type, scope))
        return scripted if isinstance(scripted, RedactedPage) else page(*self.printed)

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        scripted = await self._arrive(
            Call("redact", texts, timeout_s, context.source, context.scope, context.asked_for)
        )
        return scripted if isinstance(scripted, list) else [self._redact(text) for text in texts]

    async def engines(self) -> list[EngineInfo]:
        """See ``Gateway``."""
        return [
            EngineInfo(kind, self.healthy, engine="fake", device="cpu", replicas=int(self.healthy))
            for kind in ("speech", "vision", "redaction")
        ]

    async def use_speech_models(self, models: SpeechModels, *, timeout_s: float) -> None:
        """See ``Gateway``."""
        await self._arrive(Call("use_speech_models", models, timeout_s))
        self.models = models

    async def candidate_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``. Without a script the candidate hears what the others hear."""
        scripted = await self._arrive(Call("candidate_step", window, timeout_s, window.language, window.scope))
        if not self.models.candidate:
            raise Unavailable("There is no candidate.", reason=Reason.NO_CANDIDATE)
        heard = scripted if isinstance(scripted, SpeechStep) else self._listen(window)
        return replace(heard, weights=self.models.candidate)

    async def _arrive(self, call: Call) -> Result | None:
        self.calls.append(call)
        self.running += 1
        try:
            if call.method in self._holds:
                async with asyncio.timeout(call.timeout_s):
                    await self._holds[call.method].wait()
        except TimeoutError as exc:
            raise DeadlineExceeded(f"The workers did not answer within {call.timeout_s:g} s.") from exc
        except asyncio.CancelledError:
            self.cancelled.append(call.method)
            raise
        finally:
            self.running -= 1
        script = self._scripts.get(call.method)
        outcome = script.popleft() if script else None
        if isinstance(outcome, VestibuleError):
            raise outcome
        return outcome

    def _listen(self, window: SpeechWindow) -> SpeechStep:
        audio_s = len(window.pcm) / BYTES_PER_SAMPLE / SAMPLE_RATE_HZ
        silent = not any(window.pcm)
        words = [] if silent else self.spoken.split()
        if not window.final:
            words = words[: int(audio_s / self.word_s)]
        step = int(window.sealed_state.removeprefix(b"fake-carry-") or b"0") + 1
        return SpeechStep(
            text=redacted(" ".join(words)),
            sealed_state=b"fake-carry-%d" % step,
            confidence=0.0 if silent else self.confidence,
            language=window.language or self.detects[0],
            no_speech=silent,
            audio_s=audio_s,
            compute_s=0.01,
            complete=self.complete and window.final,
            language_probability=1.0 if window.language else self.detects[1],
            held_back=NOTHING_HELD_BACK
            if window.final or silent
            else HeldBack(len(self.spoken.split()) - len(words), 0.5),
            words=self._timed(words) if window.final and window.word_times else (),
        )

    def _timed(self, words: list[str]) -> tuple[RedactedWord, ...]:
        times = [n * self.word_s for n in range(len(words))]
        return tuple(RedactedWord(redacted(w), at, at + self.word_s, 0.8) for w, at in zip(words, times, strict=True))

    def _redact(self, raw: RawText) -> Redaction:
        value, entities = raw.reveal(), []
        for secret, kind in self.secrets.items():
            start = value.find(secret)
            while start >= 0:
                entities.append(Entity(kind, start, start + len(secret), 1.0, "fake"))
                start = value.find(secret, start + len(secret))
        entities.sort(key=lambda found: found.start)
        for found in reversed(entities):
            value = f"{value[: found.start]}[REDACTED_{found.type}]{value[found.end :]}"
        return Redaction(redacted(value), tuple(entities))
