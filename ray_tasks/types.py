"""The messages between the server and the Ray workers, and the Protocol of the gateway.

No result can hold unredacted words: it has ``RedactedText``, sealed bytes, and ``models.sealed_values``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from models.redaction.dialogue_context import NO_HINTS, AnswerHints
from models.redaction.types import NO_SCOPE, NOTHING_HELD_BACK, HeldBack, Redaction, RedactionContext, RedactionScope
from models.retry import POLICIES, RetryPolicy
from models.sealed_values import SealedValue
from models.speech.muting.redact_recording import RedactedRecording
from models.speech.types import RedactedWord
from models.text import RawText, RedactedText
from models.vision.types import RedactedPage

BUSY_HINT: Final = (
    "A machine that is too busy, or has too little memory, is the usual cause: start again when it is idle. "
    "The logs of Ray are in the state folder until the next start."
)
"""For an operator whose Ray did not come up."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The configuration of one kind of worker, picklable. ``server.cluster_config`` builds it from the settings.

    Attributes:
        replicas: Their number, or the least one where Serve chooses it, up to ``most_replicas``.
        ongoing_per_replica: Calls for each replica, running or waiting, that Serve aims at when it chooses.
    """

    replicas: int = 1
    most_replicas: int = 0
    ongoing_per_replica: float = 2.0
    cpus: float = 0.3
    gpus: float = 0.0
    threads: int = 2
    at_once: int = 1
    max_ongoing: int = 4
    max_queued: int = 64
    engine: str = ""
    weights: str = ""
    partial_weights: str = ""
    device: str = "auto"

    @property
    def most(self) -> int:
        """The number of replicas, or the largest one where Serve chooses it."""
        return max(self.replicas, self.most_replicas)


@dataclass(frozen=True, slots=True)
class TraceExport:
    """Where spans go, picklable.

    Attributes:
        endpoint: Base address of the collector; empty means that there are no spans.
        headers: What the collector asks for, such as a key. They are in no text of this object.
    """

    endpoint: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Everything that ``ray_tasks`` needs to know, picklable.

    Attributes:
        weights_dir: Folder of the verified weights; the same path on every node.
        state_key_path: Where workers keep the key of the sealed state.
        installation: Id of the installation that owns the applications; a part of their names.
        shared: Whether several servers of the installation may use its applications on a joined cluster.
        state_dir: Where the node that a server starts keeps its sockets and logs, and a local cluster its token.
        allow_no_token: Whether a cluster may be joined that asks for no token.
        metrics_port: Where a local cluster exports metrics, on loopback and without a token; 0 turns that off.
        image_pixels: Largest picture that a worker decodes.
        page_lines: Lines of print that one page may have.
        page_cpu_s: Seconds of CPU that the OCR models may take for one page.
        redaction_policies: The policy file's text, checked; empty means the strict defaults for every client.
        retry: How a call is sent again when its worker dies, and how often Serve builds a replica again.
        traces: Where the workers send their spans.
    """

    speech: WorkerConfig
    vision: WorkerConfig
    redaction: WorkerConfig
    weights_dir: str
    state_key_path: str
    installation: str
    state_dir: str
    address: str = ""
    shared: bool = False
    allow_no_token: bool = False
    dashboard: bool = True
    dashboard_port: int = 8265
    metrics_port: int = 0
    num_cpus: float | None = None
    num_gpus: float | None = None
    object_store_bytes: int = 256 * 1024 * 1024
    image_pixels: int = 40_000_000
    page_lines: int = 1_000
    page_cpu_s: float = 120.0
    redaction_policies: str = ""
    retry: RetryPolicy = POLICIES["interactive"]
    retry_share: float = 0.2
    retry_least: int = 10
    traces: TraceExport = TraceExport()


@dataclass(frozen=True, slots=True)
class Step:
    """A finished step of the start of a cluster: ``ray``, ``serve``, or a kind of worker."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SpeechWindow:
    """The audio of the running utterance so far, or of the whole one.

    Attributes:
        pcm: Mono float32 little-endian at 16 kHz, the utterance from its beginning.
        final: False for a partial, True when the utterance is over.
        sealed_state: Sealed bytes that the last step of the same stream returned; empty at its start.
        language: ISO 639-1 code or empty to detect.
        scope: Client and session, for the redaction.
        asked_for: Entity types that the assistant just asked for, see ``models.redaction.dialogue_context``.
        word_times: Whether a final is to come with its words and their times.
        hints: What the answer to the question may consist of besides.
    """

    pcm: bytes
    final: bool
    sealed_state: bytes = b""
    language: str = ""
    vocabulary: tuple[str, ...] = ()
    scope: RedactionScope = NO_SCOPE
    asked_for: tuple[str, ...] = ()
    word_times: bool = False
    hints: AnswerHints = NO_HINTS


@dataclass(frozen=True, slots=True)
class SpeechStep:
    """The result of one window.

    Attributes:
        text: For a partial the grown prefix that may be shown; for a final the whole utterance.
        sealed_state: Pass it back with the next window of the stream.
        confidence: 0 to 1.
        no_speech: True when nobody spoke in the window; the text is then empty.
        complete: For a final, whether it ends like a sentence and leaves no personal value open.
        language_probability: Probability of the detected language; 1 when the language was given.
        held_back: For a partial, what was recognised after its text.
        words: For a final, where they were asked for; times in seconds from the start of the window.
        sealed: For a final, the values that the scope asks for.
        weights: Of the model that heard it.
    """

    text: RedactedText
    sealed_state: bytes
    confidence: float
    language: str
    no_speech: bool
    audio_s: float
    compute_s: float
    complete: bool = False
    language_probability: float = 1.0
    held_back: HeldBack = NOTHING_HELD_BACK
    words: tuple[RedactedWord, ...] = ()
    sealed: tuple[SealedValue, ...] = ()
    weights: str = ""


@dataclass(frozen=True, slots=True)
class RecordingSource:
    """A recording that is loaded in pieces when there is room for it, so that it is never whole in this process.

    Attributes:
        size_bytes: Of all pieces, about.
        pieces: Loads it.
    """

    size_bytes: int
    pieces: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """The result of a whole uploaded recording; segments hold (start_s, end_s, text).

    Attributes:
        redacted: The recording with its personal words muted; None if it was not asked for, or if recognition of the
            muted recording still found some.
        sealed: The values that the scope asks for.
    """

    text: RedactedText
    language: str
    audio_s: float
    compute_s: float
    segments: tuple[tuple[float, float, RedactedText], ...] = ()
    redacted: RedactedRecording | None = None
    sealed: tuple[SealedValue, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The state and the engine of one kind of worker."""

    kind: str
    healthy: bool
    engine: str = ""
    device: str = ""
    replicas: int = 0
    detail: str = ""
    queued: int = 0
    extra: dict[str, str] = field(default_factory=dict)


class WorkerEndReason(StrEnum):
    """Why a worker ended, as far as Ray knows."""

    PROCESS_ENDED = "process_ended"  # it crashed or was killed, perhaps by the system for lack of memory
    OUT_OF_MEMORY = "out_of_memory"  # Ray ended it, because the machine lacked memory
    REPLACED = "replaced"  # Serve ended it: a failed health check, or an update
    NODE_LOST = "node_lost"  # its machine left the cluster
    NOT_STARTED = "not_started"  # it ended while it was built
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """One process of a worker that ended. Serve starts another one by itself."""

    kind: str
    reason: WorkerEndReason
    pid: int
    end_time: datetime


@dataclass(frozen=True, slots=True)
class SpeechModels:
    """Which weights recognise speech.

    Attributes:
        weights: For finals and recordings; empty means those of the settings.
        candidate: Weights that get a share of the finals as well, only to compare; empty means none.
    """

    weights: str = ""
    candidate: str = ""


class Gateway(Protocol):
    """The only interface to the workers. Every method takes a timeout in seconds.

    Raises, from every method:
        DeadlineExceeded: It took too long. The work stops, too.
        Overloaded: The queue of the workers is full; ``retry_after_s`` says when to try again.
        WorkerLost: A worker died and the retries of the ``interactive`` policy did not help.
        Unavailable: The cluster is not there.
        RedactionFailed: Text could not be redacted; nothing is returned.
    """

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """Recognise and redact one window of a stream."""
        ...

    async def read_recording(
        self,
        recording: RecordingSource,
        *,
        language: str,
        timeout_s: float,
        scope: RedactionScope = NO_SCOPE,
        keep_redacted: bool = False,
    ) -> RecordingResult:
        """Decode, recognise and redact a whole recording, and mute it where it is to be kept.

        It waits for room in the shared memory; that does not count in the timeout. Raises MediaError too, and what
        ``recording.pieces`` raises.
        """
        ...

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """Decode, read and redact a picture. Raises MediaError too."""
        ...

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """Redact a batch of texts."""
        ...

    async def engines(self) -> list[EngineInfo]:
        """State of the three kinds of worker, without calling into a busy one."""
        ...

    async def use_speech_models(self, models: SpeechModels, *, timeout_s: float) -> None:
        """Have speech recognised by these weights from now on. Returns when the workers of both take calls.

        Calls go to the old workers until the new ones are up, so none fails. Old workers end when their calls have.
        Idempotent. After an error everything is as before. A candidate that stays one is not waited for: it may be ill.

        Raises:
            WeightsError: Weights are not in the cache, or invalid.
            InvalidInput: They do not fit the machine.
            Unavailable: The workers did not come up.
            DeadlineExceeded: It took too long.
        """
        ...

    async def candidate_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """Recognise and redact one window by the candidate. It never takes room from ``speech_step``.

        Raises, besides what ``speech_step`` raises:
            Unavailable: NO_CANDIDATE, there is none.
            Overloaded: The candidate has a call waiting already.
        """
        ...
