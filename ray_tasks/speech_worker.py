"""The speech worker. A plain class: Serve runs it as the replicas of a deployment (see ``deployments``)."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from models.cancellation import Cancellation, Cancelled
from models.errors import NoSpeech
from models.media.audio_decoder import AudioLimits
from models.media.clean import CLEAN_BYTES
from models.media.encoded_recording import EncodedRecording, ForwardReader
from models.media.formats import CLEAN_RECORDINGS
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.redaction.sealing import sealer_of
from models.redaction.streaming.open_tail import NO_TAIL, combine_with_tail, open_tail_of, texts_with_tail
from models.redaction.streaming.partials import PartialRedactor, PartialState, held_back
from models.redaction.streaming.sealed_state import StateSealer, load_or_create_key
from models.redaction.streaming.segments import redact_segments
from models.redaction.streaming.word_timings import redacted_words
from models.redaction.types import RedactionContext, RedactionScope
from models.speech.endpointing.chunking import Window, cut_pieces, cut_windows
from models.speech.endpointing.sentence_end import ends_sentence
from models.speech.engines import Device, build_engine, build_vad
from models.speech.muting.redact_recording import RedactedRecording, Transcribe, redact_recording
from models.speech.types import Segment, SpeechEngine, SpeechOptions, Transcript
from models.text import RawText
from models.tracing.attributes import AUDIO_S, COMPUTE_S
from models.tracing.names import SpanName
from models.tracing.spans import child_span
from ray_tasks.engine_info import EngineFacts, on_cpu, speech_fingerprint, speech_weights
from ray_tasks.freed_memory import give_back_freed_memory
from ray_tasks.speech_steps import (
    NO_TEXT,
    mean_confidence,
    redaction_context,
    samples_of,
    sealed_values,
    shifted,
    step_without_speech,
)
from ray_tasks.tracing import WorkerTraces
from ray_tasks.types import ClusterConfig, RecordingResult, SpeechStep, SpeechWindow
from ray_tasks.worker_metrics import CallMetrics, RayRecorder, Recorder, Work
from ray_tasks.worker_runtime import REDACTION_TIMEOUT_S, BoundedExecutor, ErrorBoundary, RedactAsync, RemoteRedactor

Bytes = npt.NDArray[np.uint8]

TIDY_EVERY: Final = 16
"""Windows of a recording after which freed memory is given back: each thread keeps some. It takes 10 ms.

docs/evaluation/server, "Recordings in the Speech worker"."""


class SpeechWorker:
    """Speech to redacted text. Holds no state between calls: the state of a stream travels sealed with its calls.

    Args:
        config: Of the whole cluster; ``config.speech`` has the engine, its threads and its calls at a time.
        ask_redaction: Has a batch redacted by the Redaction workers.
        recorder: Takes the metrics; Ray if None.
    """

    def __init__(self, config: ClusterConfig, ask_redaction: RedactAsync, recorder: Recorder | None = None) -> None:
        speech, cache = config.speech, Path(config.weights_dir)
        weights, partial_weights = speech_weights(config)
        recorder = RayRecorder() if recorder is None else recorder
        self._metrics = CallMetrics(speech.engine, weights, recorder)
        self._partial_metrics = CallMetrics(speech.engine, partial_weights, recorder)

        def engine(metrics: CallMetrics) -> SpeechEngine:
            device, model = cast(Device, speech.device), metrics.model
            return build_engine(speech.engine, cache, device, speech.threads, model, speech.at_once, metrics.windows)

        self._engine = engine(self._metrics)
        self._partial_engine = self._engine if partial_weights == weights else engine(self._partial_metrics)
        self._vad = build_vad(cache)
        self._facts = EngineFacts(
            self._engine.name,
            self._engine.device,
            speech_fingerprint(config),
            on_cpu("Speech", self._engine.device, speech.device),
        )
        self._key = load_or_create_key(Path(config.state_key_path))
        self._sealer = StateSealer(self._key)
        self._redact = ask_redaction
        self._recognition = BoundedExecutor("speech", self._engine.at_once)
        self._helpers = BoundedExecutor("speech-helper", speech.max_ongoing)
        # Muting waits for calls in the two other executors, so it must not occupy one of their threads.
        self._muting = BoundedExecutor("speech-mute", 1)
        self._traces = WorkerTraces(config.traces, "speech")

    async def describe(self) -> EngineFacts:
        """The worker's description of itself."""
        return self._facts

    async def check_health(self) -> None:
        """Called by Serve every few seconds; an error makes it replace the replica."""
        self._recognition.check()

    async def step(self, expected: str, left_s: float, window: SpeechWindow, *, traceparent: str = "") -> SpeechStep:
        """Recognise and redact one window of a stream; see ``Gateway.speech_step``."""
        cancellation = Cancellation(left_s)
        work, metrics = (Work.FINAL, self._metrics) if window.final else (Work.PARTIAL, self._partial_metrics)
        weights = metrics.model
        call = self._traces.call(SpanName.SPEECH_STEP, traceparent)
        with metrics.call(work), call, ErrorBoundary("speech"):
            self._facts.require(expected)
            samples = samples_of(window.pcm)
            state = (
                PartialState.from_payload(self._sealer.open(window.sealed_state))
                if window.sealed_state
                else PartialState()
            )
            timed = window.final and window.word_times
            options = SpeechOptions(
                language=window.language or None,
                vocabulary=window.vocabulary,
                word_times=timed,
                quick=not window.final,
                cancellation=cancellation,
            )
            try:
                transcript = await self._transcribe(samples, options)
            except NoSpeech:
                sealed_state = self._sealed_tail(state.tail) if window.final else window.sealed_state
                return step_without_speech(window, state, sealed_state, len(samples) / SAMPLE_RATE_HZ, weights)
            metrics.recognized(work, transcript.audio_s, transcript.compute_s)
            context = redaction_context(transcript.language, window)
            step = SpeechStep(
                text=NO_TEXT,
                sealed_state=b"",
                confidence=mean_confidence(transcript.segments),
                language=transcript.language,
                no_speech=False,
                audio_s=transcript.audio_s,
                compute_s=transcript.compute_s,
                language_probability=transcript.language_probability,
                weights=weights,
            )
            if not window.final:
                return await self._partial(step, transcript, state, context, cancellation)
            return await self._final(step, transcript, state, context, cancellation, timed=timed)

    async def recording(
        self,
        expected: str,
        left_s: float,
        language: str,
        scope: RedactionScope,
        keep_redacted: bool,
        *pieces: Bytes,
        traceparent: str = "",
    ) -> RecordingResult:
        """Decode, recognise and redact a recording; see ``Gateway.read_recording``.

        Its bytes come in pieces, as arrays because Ray does not copy those out of its shared memory.
        """
        cancellation = Cancellation(left_s)
        call = self._traces.call(SpanName.SPEECH_RECORDING, traceparent)
        with self._metrics.call(Work.RECORDING), call, ErrorBoundary("speech"):
            self._facts.require(expected)
            limits = AudioLimits(max_bytes=CLEAN_BYTES)
            recording = EncodedRecording([piece.data for piece in pieces], limits, CLEAN_RECORDINGS)
            options = SpeechOptions(language=language or None, word_times=keep_redacted, cancellation=cancellation)
            transcript = await self._recognize_pieces(recording, options)
            self._metrics.recognized(Work.RECORDING, transcript.audio_s, transcript.compute_s)
            context = redaction_context(transcript.language)
            texts = [segment.text for segment in transcript.segments]
            redactor = self._redactor(scope, cancellation)
            whole, segment_texts = await self._helpers.run(cancellation, redact_segments, texts, redactor, context)
            sealer = sealer_of(scope, self._key)
            muted: RedactedRecording | None = None
            if keep_redacted:
                recognize = self._recognize_from_thread(asyncio.get_running_loop())
                samples = await self._helpers.run(cancellation, recording.samples)
                muted = await self._muting.run(
                    cancellation,
                    redact_recording,
                    samples,
                    transcript.segments,
                    redactor,
                    context,
                    recognize,
                    cancellation=cancellation,
                )
            timed = zip(transcript.segments, segment_texts, strict=True)
            return RecordingResult(
                text=whole.text,
                language=transcript.language,
                audio_s=transcript.audio_s,
                compute_s=transcript.compute_s,
                segments=tuple((segment.start_s, segment.end_s, redacted) for segment, redacted in timed),
                redacted=muted,
                sealed=sealed_values(sealer, NO_TAIL, RawText.join(texts), [whole], context.language),
            )

    async def _transcribe(self, samples: Samples, options: SpeechOptions) -> Transcript:
        with child_span(SpanName.SPEECH_RECOGNITION) as span:
            try:
                engine = self._partial_engine if options.quick else self._engine
                transcript = await self._recognition.run(options.cancellation, engine.transcribe, samples, options)
            except NoSpeech as error:
                span.fail(error, fault=False)
                raise
            span.set(AUDIO_S, transcript.audio_s)
            span.set(COMPUTE_S, transcript.compute_s)
            return transcript

    async def _recognize(self, samples: Samples, options: SpeechOptions) -> Transcript:
        """Recognise samples that are in memory."""
        windows = await self._helpers.run(
            options.cancellation,
            cut_windows,
            self._vad,
            samples,
            everything=options.everything,
            cancellation=options.cancellation,
        )
        return await self._recognize_windows(windows, len(samples), lambda start, end: samples[start:end], options)

    async def _recognize_pieces(self, recording: EncodedRecording, options: SpeechOptions) -> Transcript:
        """Recognise a recording of which only a piece is decoded at a time; it is decoded twice."""
        windows, total = await self._helpers.run(
            options.cancellation,
            cut_pieces,
            self._vad,
            recording.pieces(),
            everything=options.everything,
            cancellation=options.cancellation,
        )
        return await self._recognize_windows(windows, total, ForwardReader(recording).read, options)

    async def _recognize_windows(
        self, windows: Sequence[Window], total: int, read: Callable[[int, int], Samples], options: SpeechOptions
    ) -> Transcript:
        """The engine gets one window at a time, so that the windows of live streams come between them."""
        segments: list[Segment] = []
        compute_s = 0.0
        for number, span in enumerate(window.span for window in windows):
            if number % TIDY_EVERY == 0:
                await self._helpers.run(options.cancellation, give_back_freed_memory)
            try:
                samples = await self._helpers.run(options.cancellation, read, span.start, span.end)
                transcript = await self._transcribe(samples, options)
            except NoSpeech:
                continue
            options = replace(options, language=transcript.language)
            compute_s += transcript.compute_s
            segments += [shifted(segment, span.start / SAMPLE_RATE_HZ) for segment in transcript.segments]
        await self._helpers.run(options.cancellation, give_back_freed_memory)
        if not segments:
            raise NoSpeech("Nobody speaks in the recording.")
        return Transcript(tuple(segments), options.language or "", total / SAMPLE_RATE_HZ, compute_s)

    def _recognize_from_thread(self, loop: asyncio.AbstractEventLoop) -> Transcribe:
        """``_recognize`` for a helper thread."""

        def recognize(samples: Samples, options: SpeechOptions) -> Transcript:
            answer = asyncio.run_coroutine_threadsafe(self._recognize(samples, options), loop)
            try:
                with options.cancellation.calling(answer.cancel):
                    return answer.result()
            except concurrent.futures.CancelledError:
                raise Cancelled from None

        return recognize

    async def _final(
        self,
        step: SpeechStep,
        transcript: Transcript,
        state: PartialState,
        context: RedactionContext,
        cancellation: Cancellation,
        *,
        timed: bool,
    ) -> SpeechStep:
        """Redact the whole utterance. Its end is kept in the state if the next utterance may continue it."""
        sealer = sealer_of(context.scope, self._key)
        context = replace(context, scope=context.scope.without_seal())
        redactions = await self._redact(
            texts_with_tail(state.tail, transcript.text), context, min(REDACTION_TIMEOUT_S, cancellation.left_s)
        )
        redaction = combine_with_tail(state.tail, transcript.text, redactions)
        sealed_state = self._sealed_tail(
            open_tail_of(
                transcript.text, redaction.entities, replace(context, language=transcript.language), state.tail
            )
        )
        return replace(
            step,
            text=redaction.text,
            sealed_state=sealed_state,
            # A final with a state has an end that the next utterance may continue.
            complete=not sealed_state and ends_sentence(transcript.text),
            words=redacted_words(transcript, redaction) if timed else (),
            sealed=sealed_values(sealer, state.tail, transcript.text, redactions, context.language),
        )

    async def _partial(
        self,
        step: SpeechStep,
        transcript: Transcript,
        state: PartialState,
        context: RedactionContext,
        cancellation: Cancellation,
    ) -> SpeechStep:
        """Redact what may be shown of a running utterance; the rest stays in the sealed state."""
        partials = PartialRedactor(self._redactor(context.scope, cancellation))
        shown, after = await self._helpers.run(cancellation, partials.step, state, transcript.text, context)
        return replace(
            step, text=shown, sealed_state=self._sealer.seal(after.to_payload()), held_back=held_back(state, after)
        )

    def _sealed_tail(self, tail: RawText) -> bytes:
        return self._sealer.seal(PartialState(tail=tail).to_payload()) if tail else b""

    def _redactor(self, scope: RedactionScope, cancellation: Cancellation) -> RemoteRedactor:
        return RemoteRedactor(self._redact, asyncio.get_running_loop(), scope, cancellation)
