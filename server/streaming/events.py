"""Inputs and outputs of a conversation, without protobuf."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from models.reasons import Reason
from models.text import RawText, RedactedText
from server.flows.progress import Progress
from server.ledger.types import Origin, RecommendationRow, TurnRow


@dataclass(frozen=True, slots=True)
class AudioIn:
    """A piece of audio; ``offset`` is the position of its first byte within the audio of the stream."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class TextIn:
    """Typed text.

    Attributes:
        id: Chosen by the client to recognise a repetition; empty when it never repeats the text.
        known: The question that the person knew when it arrived, see ``StreamGuidance.known``.
    """

    text: RawText
    id: str = ""
    known: str | None = None


@dataclass(frozen=True, slots=True)
class EndMark:
    """The client says that the utterance is over."""


@dataclass(frozen=True, slots=True)
class ProposeIn:
    """The client wants a record; ``wait_s`` bounds the wait for uploads that are being read."""

    wait_s: float


Input = AudioIn | TextIn | EndMark | ProposeIn


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Audio below this byte offset is on disk."""

    offset: int


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech began at this second of the stream."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The last speech of the utterance was at this second of the stream."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What the running utterance shows so far; see ``models.redaction.streaming.partials``.

    Attributes:
        text: Redacted text, a prefix of what was recognised.
        pending_words: Words that were recognised after it and are not shown yet.
        stability: Estimate that these words will not change, in [0, 1].
    """

    utterance: int
    text: RedactedText
    pending_words: int = 0
    stability: float = 1.0

    @property
    def has_words(self) -> bool:
        """Whether something was surely said: text is shown, or two recognitions in a row agree on a word."""
        return bool(self.text.value) or (self.pending_words > 0 and self.stability > 0)


@dataclass(frozen=True, slots=True)
class Final:
    """A finished utterance, stored."""

    turn: TurnRow


@dataclass(frozen=True, slots=True)
class ReplyPiece:
    """A redacted piece of the reply, to be appended as it is."""

    turn_id: str
    text: RedactedText


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The reply, or what was sent of it, is stored.

    Attributes:
        origin: Who wrote what was sent; None when it was interrupted before its first word.
        cut: Stable reason why it is not whole; empty for a whole one.
        late_reply: Whether a job asks the remote LLM again.
    """

    turn_id: str
    origin: Origin | None
    cut: str = ""
    late_reply: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A record waits for the decision of a person."""

    recommendation: RecommendationRow


@dataclass(frozen=True, slots=True)
class Notice:
    """Something went wrong without ending the stream."""

    reason: Reason
    message: str
    utterance: int
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ProgressChanged:
    """The session came further in its flow, or something else is asked; told in a language of the flow."""

    progress: Progress
    language: str


Output = (
    Acknowledged
    | SpeechBegan
    | SpeechEnded
    | Partial
    | Final
    | ReplyPiece
    | ReplyEnded
    | Proposal
    | Notice
    | ProgressChanged
)

Emit = Callable[[Output], Awaitable[None]]
"""Sends an event to the client."""
