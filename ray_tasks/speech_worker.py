"""The speech worker. A plain class: Serve runs it as the replicas of a deployment (see ``deployments``)."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from models.errors import InvalidInput, NoSpeech
from models.media.audio_decoder import decode
from models.reasons import Reason
from models.redaction.dialogue_context import answering
from models.redaction.streaming.open_tail import combine_with_tail, open_tail, texts_with_tail
from models.redaction.streaming.partials import PartialRedactor, PartialState, held_back
from models.redaction.streaming.sealed_state import StateSealer, load_or_create_key
from models.redaction.streaming.segments import redact_segments
from models.redaction.streaming.word_timings import redacted_words
from models.redaction.types import NO_SCOPE, RedactionContext, RedactionScope
from models.speech.endpointing.chunking import cut_windows
from models.speech.endpointing.sentence_end import ends_sentence
from models.speech.engines import DEFAULT_WEIGHTS, Device, build_engine, build_vad
from models.speech.muting.redact_recording import Listen, RedactedRecording, redact_recording
from models.speech.types import SAMPLE_RATE_HZ, Samples, Segment, SpeechOptions, Transcript
from models.text import RawText, RedactedText, TextSource
from ray_tasks.engine_info import EngineFacts, fingerprint, on_cpu
from ray_tasks.types import ClusterConfig, RecordingResult, SpeechStep, SpeechWindow
from ray_tasks.worker_runtime import BoundedExecutor, ErrorBoundary, RedactAsync, RemoteRedactor

NOTHING_SAID = RedactedText.literal("")


class SpeechWorker:
    """Speech to redacted text. Holds no state between calls: what a stream needs travels in its sealed carry.

    Args:
        config: Of the whole cluster; ``config.speech`` has the engine, its threads and its calls at a time.
        ask_redaction: Has a batch redacted by the Redaction workers.
    """

    def __init__(self, config: ClusterConfig, ask_redaction: RedactAsync) -> None:
        speech, cache = config.speech, Path(config.weights_dir)
        self._engine = build_engine(
            speech.engine,
            cache,
            cast(Device, speech.device),
            speech.threads,
            speech.weights or DEFAULT_WEIGHTS,
            speech.at_once,
        )
        self._vad = build_vad(cache)
        self._facts = EngineFacts(
            self._engine.name,
            self._engine.device,
            fingerprint(config),
            on_cpu("Speech", self._engine.device, speech.device),
        )
        self._sealer = StateSealer(load_or_create_key(Path(config.carry_key_path)))
        self._ask = ask_redaction
        self._turns = BoundedExecutor("speech", self._engine.at_once)
        self._helpers = BoundedExecutor("speech-helper", speech.max_ongoing)
        # A mute waits for the two other executors, so it must not take a thread of theirs.
        self._mutes = BoundedExecutor("speech-mute", 1)

    async def describe(self) -> EngineFacts:
        """What runs here."""
        return self._facts

    async def check_health(self) -> None:
        """Serve asks now and then."""
        self._turns.check()

    async def step(self, expected: str, window: SpeechWindow) -> SpeechStep:
        """Recognise and redact one window of a stream; see ``Gateway.speech_step``."""
        with ErrorBoundary("speech"):
            self._facts.require(expected)
            samples = _samples(window.pcm)
            state = (
                PartialState.from_carry(self._sealer.open(window.sealed_state))
                if window.sealed_state
                else PartialState()
            )
            timed = window.final and window.word_times
            options = SpeechOptions(
                language=window.language or None,
                vocabulary=window.vocabulary,
                word_times=timed,
                quick=not window.final,
                stop=threading.Event(),
            )
            try:
                heard = await self._transcribe(samples, options)
            except NoSpeech:
                sealed_state = self._sealed_tail(state.tail) if window.final else window.sealed_state
                return _silence(window, state, sealed_state, len(samples) / SAMPLE_RATE_HZ)
            context = _spoken(heard.language, window)
            step = SpeechStep(
                text=NOTHING_SAID,
                sealed_state=b"",
                confidence=_confidence(heard.segments),
                language=heard.language,
                no_speech=False,
                audio_s=heard.audio_s,
                compute_s=heard.compute_s,
                language_probability=heard.language_probability,
            )
            if not window.final:
                return await self._partial(step, heard, state, context)
            return await self._final(step, heard, state, context, timed=timed)

    async def recording(
        self,
        expected: str,
        data: bytes,
        language: str,
        scope: RedactionScope = NO_SCOPE,
        keep_redacted: bool = False,
    ) -> RecordingResult:
        """Decode, recognise and redact a whole recording; see ``Gateway.read_recording``."""
        with ErrorBoundary("speech"):
            self._facts.require(expected)
            samples = await self._helpers.run(decode, data)
            options = SpeechOptions(language=language or None, word_times=keep_redacted, stop=threading.Event())
            heard = await self._listen(samples, options)
            context = _spoken(heard.language)
            texts = [segment.text for segment in heard.segments]
            redactor = self._redactor(scope)
            whole, written = await self._helpers.run(redact_segments, texts, redactor, context)
            muted: RedactedRecording | None = None
            if keep_redacted:
                again = self._listen_again(asyncio.get_running_loop())
                muted = await self._mutes.run(redact_recording, samples, heard.segments, redactor, context, again)
            timed = zip(heard.segments, written, strict=True)
            return RecordingResult(
                text=whole,
                language=heard.language,
                audio_s=heard.audio_s,
                compute_s=heard.compute_s,
                segments=tuple((segment.start_s, segment.end_s, text) for segment, text in timed),
                redacted=muted,
            )

    async def _transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """One call of the engine; it stops soon after nobody waits for it any more."""
        try:
            return await self._turns.run(self._engine.transcribe, samples, options)
        except asyncio.CancelledError:
            if options.stop is not None:
                options.stop.set()
            raise

    async def _listen(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """Recognise a whole recording.

        The engine is asked for one window at a time, so that a live stream waits for one of them at most.
        """
        segments: list[Segment] = []
        compute_s = 0.0
        windows = await self._helpers.run(cut_windows, self._vad, samples, everything=options.everything)
        for span in (window.span for window in windows):
            try:
                heard = await self._transcribe(samples[span.start : span.end], options)
            except NoSpeech:
                continue
            options = replace(options, language=heard.language)
            compute_s += heard.compute_s
            segments += [_moved(segment, span.start / SAMPLE_RATE_HZ) for segment in heard.segments]
        if not segments:
            raise NoSpeech("Nobody speaks in the recording.")
        return Transcript(tuple(segments), options.language or "", len(samples) / SAMPLE_RATE_HZ, compute_s)

    def _listen_again(self, loop: asyncio.AbstractEventLoop) -> Listen:
        """``_listen`` for a helper thread."""

        def listen(samples: Samples, options: SpeechOptions) -> Transcript:
            return asyncio.run_coroutine_threadsafe(self._listen(samples, options), loop).result()

        return listen

    async def _final(
        self, step: SpeechStep, heard: Transcript, state: PartialState, context: RedactionContext, *, timed: bool
    ) -> SpeechStep:
        """The whole utterance at its best; its end is carried where the next utterance may go on with it."""
        judged = await self._ask(texts_with_tail(state.tail, heard.text), context)
        redaction = combine_with_tail(state.tail, heard.text, judged)
        sealed_state = self._sealed_tail(open_tail(heard.text, redaction.entities, heard.language, state.tail))
        return replace(
            step,
            text=redaction.text,
            sealed_state=sealed_state,
            # A carry behind a final is an end that the next utterance may go on with.
            complete=not sealed_state and ends_sentence(heard.text),
            words=redacted_words(heard, redaction) if timed else (),
        )

    async def _partial(
        self, step: SpeechStep, heard: Transcript, state: PartialState, context: RedactionContext
    ) -> SpeechStep:
        """What may be shown of a running utterance, and the sealed rest."""
        partials = PartialRedactor(self._redactor(context.scope))
        shown, after = await self._helpers.run(partials.step, state, heard.text, context)
        return replace(
            step, text=shown, sealed_state=self._sealer.seal(after.to_carry()), held_back=held_back(state, after)
        )

    def _sealed_tail(self, tail: RawText) -> bytes:
        return self._sealer.seal(PartialState(tail=tail).to_carry()) if tail else b""

    def _redactor(self, scope: RedactionScope) -> RemoteRedactor:
        return RemoteRedactor(self._ask, asyncio.get_running_loop(), scope)


def _samples(pcm: bytes) -> Samples:
    """Mono float32 samples, checked: the engines trust them."""
    if len(pcm) % 4:
        raise InvalidInput("The window is no sequence of 32-bit samples.", reason=Reason.BAD_AUDIO)
    samples = np.frombuffer(pcm, dtype="<f4")
    if not np.isfinite(samples).all():
        raise InvalidInput("The window holds samples that are no numbers.", reason=Reason.BAD_AUDIO)
    return samples


def _spoken(language: str | None, window: SpeechWindow | None = None) -> RedactionContext:
    """How to judge what was said, with what the conversation knows of it."""
    context = RedactionContext(source=TextSource.SPEECH, language=language or "en")
    if window is None:
        return context
    return answering(replace(context, scope=window.scope), window.asked_for)


def _silence(window: SpeechWindow, state: PartialState, sealed_state: bytes, audio_s: float) -> SpeechStep:
    """Nobody speaks in the window; what a partial showed before stays."""
    return SpeechStep(
        text=NOTHING_SAID if window.final else state.shown,
        sealed_state=sealed_state,
        confidence=0.0,
        language=window.language,
        no_speech=True,
        audio_s=audio_s,
        compute_s=0.0,
    )


def _confidence(segments: tuple[Segment, ...]) -> float:
    """Mean over the segments, weighted by their length."""
    lengths = [max(segment.end_s - segment.start_s, 1e-3) for segment in segments]
    return sum(s.confidence * length for s, length in zip(segments, lengths, strict=True)) / sum(lengths)


def _moved(segment: Segment, by_s: float) -> Segment:
    words = tuple(replace(word, start_s=word.start_s + by_s, end_s=word.end_s + by_s) for word in segment.words)
    return replace(segment, start_s=segment.start_s + by_s, end_s=segment.end_s + by_s, words=words)
