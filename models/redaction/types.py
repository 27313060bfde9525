"""Input and output of a redactor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

from models.redaction.flow_words import NO_FLOW_WORDS, FlowWords
from models.sealed_values import SealedValue, SealRequest
from models.text import Entity, RawText, RedactedText, TextSource

CLASSIFIER: Final = "ner:"
"""How the recognizers of the classifier begin."""

SLOT_TAGGER: Final = "slot"
"""Name of the slot tagger as the source of an entity."""

OF_POLICY: Final = "custom:"
"""How the recognizers of a policy begin."""

OF_OWN_MODEL: Final = "own:"
"""How the name of a model that the operator added begins."""

EXACT: Final = 0.9
"""Score over which an entity was found by its own characters, and not by the words around."""

LAID_OUT = frozenset({"form", "receipt"})
"""Document types that consist of labels, values and goods instead of sentences."""


@dataclass(frozen=True, slots=True)
class RedactionScope:
    """The owner of a text. The client selects the policy, the session the key of hashed tags, the flow its own words.

    Attributes:
        client_id: App or site of the session; empty means the default policy.
        session_id: Empty where there is none; hashed tags then agree within one batch only.
        seal: Which values of the text are sealed; None seals nothing and costs nothing.
        flow_words: Words and codes of the flow of the session.
    """

    client_id: str = ""
    session_id: str = ""
    seal: SealRequest | None = None
    flow_words: FlowWords = NO_FLOW_WORDS

    def without_seal(self) -> RedactionScope:
        """The same owner, for a text of which nothing is sealed."""
        return self if self.seal is None else replace(self, seal=None)


NO_SCOPE = RedactionScope()


@dataclass(frozen=True, slots=True)
class RedactionContext:
    """What is known about a text besides its words.

    Attributes:
        source: Where the text came from.
        language: ISO 639-1 code.
        asked_for: Entity types that the assistant just asked for, ``READING`` among them; see ``dialogue_context``.
        document_type: ``visitor_register``, ``meter``, ... or empty.
        explained: Words in small letters that the layout of the page shows to be labels, goods or amounts.
        answers: Words in small letters that stand after a label for a person.
        code_format: Regular expression for the code of a thing that was asked for; empty for none.
        expected_phrases: Phrases of the flow that was asked by; each names nobody as a whole.
        number_names: Labels and units of the numbers of that flow.
        after_number: Whether it has asked for a number before, and asks for nothing personal now.
        scope: Client and session.
    """

    source: TextSource = TextSource.TYPED
    language: str = "en"
    asked_for: tuple[str, ...] = ()
    document_type: str = ""
    explained: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    code_format: str = ""
    expected_phrases: frozenset[str] = frozenset()
    number_names: frozenset[str] = frozenset()
    after_number: bool = False
    scope: RedactionScope = NO_SCOPE


class Suspect(NamedTuple):
    """A word that was not redacted, but that the classifier may take for a name when more words follow.

    Attributes:
        start: First code point.
        end: One past the last.
        likely: Whether its score is close to the threshold, so that any further word may raise it above.
    """

    start: int
    end: int
    likely: bool = False


@dataclass(frozen=True, slots=True)
class Redaction:
    """The result for one text.

    Attributes:
        text: The result.
        entities: What was found, sorted, not overlapping; offsets in code points of the *input*.
        suspects: Words that may still become names; sorted, with offsets like those of ``entities``.
        unsettled: Start of a value in a spoken text that further words may still change; None if there is none.
        sealed: The values that ``RedactionScope.seal`` asks for.
    """

    text: RedactedText
    entities: tuple[Entity, ...]
    suspects: tuple[Suspect, ...] = ()
    unsettled: int | None = None
    sealed: tuple[SealedValue, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What was recognised after the text of a partial.

    Attributes:
        words: Their number, at most three. Nothing else is reported about them.
        stability: Share of these words on which the last two hypotheses agree; 1 if there are none.
    """

    words: int
    stability: float


NOTHING_HELD_BACK = HeldBack(0, 1.0)


class Redactor(Protocol):
    """Finds and replaces personal data. Pure, deterministic, safe to call from several threads."""

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        """Redact one text.

        Raises:
            RedactionFailed: A recognizer failed. The text must not be stored or sent.
        """
        ...

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        """Redact a batch; same result as one by one, faster."""
        ...
