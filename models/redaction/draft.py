"""The working state of texts on their way through the stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from models.cancellation import NEVER, Cancellation
from models.redaction.detection.compiled_policy import CompiledPolicy
from models.redaction.detection.detections import Detection
from models.redaction.itn.tokens import Token
from models.redaction.ner.types import TokenClassifier
from models.redaction.normalize.view import TextView
from models.redaction.own_model.types import OwnModel
from models.redaction.policy.anonymizer import Anonymizer
from models.redaction.postprocess.expected_answer import NOTHING_EXPECTED, Expected
from models.redaction.slots.spoken_words import SpokenWords
from models.redaction.slots.types import SlotWord
from models.redaction.types import RedactionContext, Suspect
from models.text import UNRATED, Entity, Recognition


@dataclass(slots=True)
class Draft:
    """The working state of one text as it passes through the stages.

    Attributes:
        raw: The input text.
        view: The text without invisible characters. All offsets below refer to it.
        text_view: The text of ``view`` as a view of its own: the original of the other views.
        recognition: How sure speech recognition is of the text, with offsets in the view.
        detections: Every detection, before any is dropped or merged.
        suspects: Words that more words may still turn into names.
        slots: What the slot tagger says of each word, in order; empty where it does not run, and once it has judged a
            typed text.
        doubted: Names of the classifier in which the slot tagger sees nothing personal.
        tokens: Words and marks, once ``detect`` has read them.
        spoken: The words of a spoken text, once a stage has read them.
        candidates: Entities to replace, as far as the stages have decided; they may overlap.
        allowed: Spans of the allow-list.
        expected: What of the text an answer was expected to have.
        entities: The final entities, sorted, not overlapping, each with its replacement.
        left: Entities that the policy leaves readable.
        safe_for_llm: Whether the result may go to the remote LLM.
        unsettled: Start of a value in a spoken text that further words may still change; None if there is none.
    """

    raw: str
    view: TextView
    text_view: TextView
    recognition: Recognition = UNRATED
    detections: list[Detection] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    slots: list[SlotWord] = field(default_factory=list)
    doubted: list[Entity] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    spoken: SpokenWords | None = None
    candidates: list[Entity] = field(default_factory=list)
    allowed: list[tuple[int, int]] = field(default_factory=list)
    expected: Expected = NOTHING_EXPECTED
    entities: list[Entity] = field(default_factory=list)
    left: list[Entity] = field(default_factory=list)
    safe_for_llm: bool = False
    unsettled: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What all texts of a batch share: the context, the client's policy, and the tools.

    Attributes:
        own_model: A model of the operator's own, if there is one.
        cancellation: Looked at by stages that take long.
    """

    context: RedactionContext
    compiled: CompiledPolicy
    classifier: TokenClassifier
    anonymizer: Anonymizer
    own_model: OwnModel | None = None
    cancellation: Cancellation = NEVER


Stage = Callable[[list[Draft], Job], None]


def spoken_words(draft: Draft, job: Job) -> SpokenWords:
    """The words of a spoken text. They are read once for all stages."""
    if draft.spoken is None:
        draft.spoken = SpokenWords(draft.view, job.context.language, draft.slots, draft.tokens)
    return draft.spoken
