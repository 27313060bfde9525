"""Every attribute that a span may have, with the values that it may take. Nothing else can be set.

No attribute takes free text. A value is a number, a flag, an id that a computer made, a word of a closed list, or a
``Configured`` word. A string that is not on the list of its attribute becomes ``other``. What fits in no way is left
out: a defect here must not end a call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from models.reasons import Reason

T = TypeVar("T")
Value = str | bool | int | float

OTHER: Final = "other"
"""Stands for a word that is not on the list of its attribute."""
CANCELLED: Final = "CANCELLED"
"""Stands for a reason where the caller gave up."""

_OPAQUE_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONFIGURED: Final = re.compile(r"[\w.:/@+-]{1,120}", re.ASCII)
_LARGEST: Final = 2**53


class Configured(str):
    """A word of the operator's settings or of our protos, never of a client. tests/test_architecture.py lists who may
    make one.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Attribute(Generic[T]):
    """One attribute.

    Attributes:
        name: On the wire.
        accept: Gives the value to set; None for one that does not fit.
    """

    name: str
    accept: Callable[[T], Value | None]


def _count(value: int) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return int(value) if fits else None


def _number(value: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= _LARGEST else None  # NaN fails the comparison


def _flag(value: bool) -> bool | None:
    return value if isinstance(value, bool) else None


def _opaque_id(value: str) -> str | None:
    found = _OPAQUE_ID.fullmatch(value) if isinstance(value, str) else None
    return found[0] if found else None


def configured(value: Configured) -> str | None:
    """The word; None for any other text."""
    found = _CONFIGURED.fullmatch(value) if isinstance(value, Configured) else None
    return found[0] if found else None


def _one_of(*words: str) -> Callable[[str], str | None]:
    known = {str(word): str(word) for word in words}

    def accept(value: str) -> str | None:
        return known.get(value, OTHER) if isinstance(value, str) else None

    return accept


# RPCs; names of the semantic conventions of OpenTelemetry.
RPC_SYSTEM: Final = Attribute("rpc.system", _one_of("grpc"))
RPC_SERVICE: Final = Attribute("rpc.service", configured)
RPC_METHOD: Final = Attribute("rpc.method", configured)
RPC_STATUS: Final = Attribute("rpc.grpc.status_code", _count)
ERROR: Final = Attribute("error.type", _one_of(*Reason, CANCELLED))

# Chats with a remote LLM; names of the semantic conventions for generative AI, without those for content.
GEN_AI_OPERATION: Final = Attribute("gen_ai.operation.name", _one_of("chat"))
GEN_AI_PROVIDER: Final = Attribute("gen_ai.provider.name", _one_of("openai"))
GEN_AI_MODEL: Final = Attribute("gen_ai.request.model", configured)
GEN_AI_INPUT_TOKENS: Final = Attribute("gen_ai.usage.input_tokens", _count)
GEN_AI_OUTPUT_TOKENS: Final = Attribute("gen_ai.usage.output_tokens", _count)
LLM_UPSTREAM: Final = Attribute(
    "vestibule.llm.upstream", _one_of("llm_api", *(f"llm_api_{n}" for n in range(2, 10)), "checker_api", "vision_api")
)
LLM_TASK: Final = Attribute("vestibule.llm.task", _one_of("reply", "record", "check", "labels"))
LLM_RETRY: Final = Attribute("vestibule.llm.retry", _flag)
LLM_BACKGROUND: Final = Attribute("vestibule.llm.background", _flag)
BREAKER_STATE: Final = Attribute("vestibule.breaker.state", _one_of("closed", "open", "half-open"))

# Sessions, streams and what is said in them.
CORRELATION_ID: Final = Attribute("vestibule.correlation_id", _opaque_id)
SESSION_ID: Final = Attribute("vestibule.session.id", _opaque_id)
STREAM_ID: Final = Attribute("vestibule.stream.id", _opaque_id)
STREAM_RESUMED: Final = Attribute("vestibule.stream.resumed", _flag)
UTTERANCE: Final = Attribute("vestibule.utterance.number", _count)
SOURCE: Final = Attribute("vestibule.utterance.source", _one_of("speech", "typed"))
AUDIO_S: Final = Attribute("vestibule.audio_s", _number)
COMPUTE_S: Final = Attribute("vestibule.compute_s", _number)
FINAL_DELAY_S: Final = Attribute("vestibule.utterance.final_delay_s", _number)
ENTITIES: Final = Attribute("vestibule.redaction.entities", _count)
REPLY_ORIGIN: Final = Attribute("vestibule.reply.origin", _one_of("MODEL", "FALLBACK"))
REPLY_SENTENCES: Final = Attribute("vestibule.reply.sentences", _count)

# Uploads and jobs.
SIZE_BYTES: Final = Attribute("vestibule.upload.size_bytes", _count)
MEDIUM: Final = Attribute("vestibule.upload.medium", _one_of("image", "recording"))
CHECK_STAGE: Final = Attribute("vestibule.upload.stage", _one_of("described", "begun", "arrived"))
JOB_ID: Final = Attribute("vestibule.job.id", _opaque_id)
JOB_KIND: Final = Attribute(
    "vestibule.job.kind",
    _one_of("read_picture", "read_recording", "label_picture", "propose_record", "propose_again", "reply"),
)
JOB_ATTEMPT: Final = Attribute("vestibule.job.attempt", _count)
JOB_OUTCOME: Final = Attribute(
    "vestibule.job.outcome", _one_of("done", "refused", "retry", "postponed", "dead", "released", "lost")
)

# Workers.
WORKER_METHOD: Final = Attribute(
    "vestibule.worker.method", _one_of("speech_step", "read_recording", "read_picture", "redact")
)
TEXTS: Final = Attribute("vestibule.redaction.texts", _count)
LINES: Final = Attribute("vestibule.picture.lines", _count)

ATTRIBUTES: Final[frozenset[str]] = frozenset(one.name for one in tuple(globals().values()) if type(one) is Attribute)
"""The names of all of them."""
