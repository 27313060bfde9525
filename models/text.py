"""Two types of text that do not mix, and what speech recognition reports with a text.

``RawText`` is what a person said, typed or photographed. It prints as its length only, refuses to be formatted or
serialised to JSON, and lives inside Ray workers (typed text passes through the server on its way there).
``RedactedText`` is what a redactor made of it. Everything that stores, logs or sends text takes this type alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from models.numbered_tags import NumberOf, TagIdentity


class TextSource(StrEnum):
    """The origin of a text. Recognizers treat speech, print and typed text differently."""

    TYPED = "typed"
    SPEECH = "speech"
    OCR = "ocr"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """A word of a recognised text.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        confidence: Of the engine, 0 to 1.
    """

    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """How sure speech recognition is of a text.

    Attributes:
        words: Sorted, not overlapping. Words that the engine does not rate are left out.
        alternatives: Other hypotheses for the whole text, likeliest first.
        confidence: Of the whole text, 0 to 1; of a joined text the lowest of its parts.
    """

    words: tuple[RecognizedWord, ...] = ()
    alternatives: tuple[RawText, ...] = ()
    confidence: float = 1.0

    def confidence_in(self, start: int, end: int) -> float:
        """The lowest confidence of the words that overlap a span; 1 if there are none."""
        return min((w.confidence for w in self.words if w.start < end and start < w.end), default=1.0)

    def moved(self, by: int) -> tuple[RecognizedWord, ...]:
        """The words with their offsets shifted."""
        return tuple(RecognizedWord(w.start + by, w.end + by, w.confidence) for w in self.words)


MOST_ALTERNATIVES: Final = 5
"""Most alternatives of one text; a long recording has no more either."""

UNRATED = Recognition()
"""Of a text that was typed, or of an engine that reports no confidence."""


class RawText:
    """Unredacted text that cannot be printed by accident.

    ``reveal`` is the only way to its characters, so every use can be found by name.
    Pickling works, because Ray moves it between workers; nothing else serialises it.
    Two texts are equal if their characters are, whatever recognition reports.

    Args:
        value: The characters.
        recognition: How sure speech recognition is of them.
    """

    __slots__ = ("_value", "recognition")

    def __init__(self, value: str, recognition: Recognition = UNRATED) -> None:
        self._value = value
        self.recognition = recognition

    def reveal(self) -> str:
        """The characters. Only engines and redactors may ask."""
        return self._value

    def part(self, start: int, end: int) -> RawText:
        """The characters from ``start`` to ``end`` with the words in them, without alternatives."""
        end = min(end, len(self._value))
        if self.recognition is UNRATED:
            return RawText(self._value[start:end])
        words = tuple(
            RecognizedWord(max(w.start, start) - start, min(w.end, end) - start, w.confidence)
            for w in self.recognition.words
            if w.start < end and start < w.end
        )
        return RawText(self._value[start:end], Recognition(words, confidence=self.recognition.confidence))

    @classmethod
    def join(cls, parts: Sequence[RawText], separator: str = " ") -> RawText:
        """Concatenate. An alternative of one part becomes one of the whole text, up to ``MOST_ALTERNATIVES``."""
        values = [part._value for part in parts]
        whole = separator.join(values)
        if all(part.recognition is UNRATED for part in parts):
            return cls(whole)
        words: list[RecognizedWord] = []
        alternatives: list[RawText] = []
        at = 0
        for number, part in enumerate(parts):
            words += part.recognition.moved(at)
            alternatives += [
                cls(separator.join([*values[:number], other._value, *values[number + 1 :]]))
                for other in part.recognition.alternatives
            ]
            at += len(part) + len(separator)
        confidence = min(part.recognition.confidence for part in parts)
        return cls(whole, Recognition(tuple(words), tuple(alternatives[:MOST_ALTERNATIVES]), confidence))

    def stripped(self) -> RawText:
        """Without white space at both ends."""
        inner = self._value.strip()
        if len(inner) == len(self._value):
            return self
        start = len(self._value) - len(self._value.lstrip())
        part = self.part(start, start + len(inner))
        if not self.recognition.alternatives:
            return part
        alternatives = tuple(other.stripped() for other in self.recognition.alternatives)
        return RawText(inner, replace(part.recognition, alternatives=alternatives))

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"RawText(<{len(self._value)} characters>)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawText) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        if self.recognition is UNRATED:
            return RawText, (self._value,)
        return RawText, (self._value, self.recognition)


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of text that identifies someone.

    Attributes:
        type: Upper-case label, ``EMAIL``; the tag is ``[REDACTED_EMAIL]``.
        start: First code point in the *original* text.
        end: One past the last code point.
        score: Confidence, 0 to 1.
        recognizer: Name of what found it.
        replacement: What a policy writes in its place; empty means the tag of its type.
        identity: Keyed hash of the value where its tag is to get a number; see ``numbered_tags``.
    """

    type: str
    start: int
    end: int
    score: float
    recognizer: str = ""
    replacement: str = ""
    identity: str = ""

    @property
    def written(self) -> str:
        """The replacement text."""
        return self.replacement or f"[REDACTED_{self.type}]"


_BUILT_BY_REDACTOR = object()

_HASHED_TAG: Final = re.compile(r"(\[REDACTED_[A-Z_]+)_[0-9a-f]{8}\]")


@dataclass(frozen=True, slots=True)
class RedactedText:
    """Text in which everything personal that was found is a tag.

    Only ``models.redaction.redacted_text`` builds one from a person's words (``_seal``), and only ``server.ledger``
    restores one that was stored (``restore``); ``tests/test_architecture.py`` holds both to that. Text that we write
    ourselves, such as an error message, enters through ``literal``.

    Attributes:
        value: The text with tags.
        counts: How many of which entity were replaced, ``{"EMAIL": 1}``.
        safe_for_llm: Whether the redactor vouches for it. Never true when a recognizer failed.
        identities: Of the tags that are to get a number, in order. ``value`` has these tags without one, so a text that
            nobody numbers shows plain tags.
    """

    value: str
    counts: dict[str, int] = field(default_factory=dict)
    safe_for_llm: bool = True
    _proof: object = field(default=None, repr=False)
    identities: tuple[TagIdentity, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self._proof is not _BUILT_BY_REDACTOR:
            raise TypeError("RedactedText is built by a redactor, restored by the ledger, or written as a literal")

    @classmethod
    def _seal(
        cls, value: str, entities: Iterable[Entity], *, safe_for_llm: bool, identities: Iterable[TagIdentity] = ()
    ) -> RedactedText:
        counts = dict(sorted(Counter(e.type for e in entities).items()))
        return cls(value, counts, safe_for_llm, _BUILT_BY_REDACTOR, tuple(identities))

    @classmethod
    def restore(cls, value: str, counts: dict[str, int], *, safe_for_llm: bool) -> RedactedText:
        """Give a row of the ledger its type back. For ``server.ledger`` alone."""
        return cls(value, dict(counts), safe_for_llm, _BUILT_BY_REDACTOR)

    @classmethod
    def literal(cls, value: str) -> RedactedText:
        """Mark a text that is written in our source code as safe."""
        return cls(value, {}, True, _BUILT_BY_REDACTOR)

    @classmethod
    def tag(cls, entity_type: str) -> RedactedText:
        """The tag alone, counted once, for a stretch that is personal by its place (a cell under the header Name)."""
        if not (entity_type.isascii() and entity_type.replace("_", "").isupper()):
            raise ValueError("an entity type is written in capitals")
        return cls(f"[REDACTED_{entity_type}]", {entity_type: 1}, True, _BUILT_BY_REDACTOR)

    @classmethod
    def in_place_of(cls, entity: Entity) -> RedactedText:
        """Only the replacement of this entity, counted once."""
        written = entity.written
        tags = (TagIdentity(0, len(written), entity.type, entity.identity),) if entity.identity else ()
        return cls(written, {entity.type: 1}, True, _BUILT_BY_REDACTOR, tags)

    @classmethod
    def join(cls, parts: Iterable[RedactedText], separator: str = " ") -> RedactedText:
        """Concatenate, adding counts up; safe only if every part is."""
        items = list(parts)
        total: Counter[str] = Counter()
        identities: list[TagIdentity] = []
        at = 0
        for item in items:
            total.update(item.counts)
            identities += [tag.moved(at) for tag in item.identities]
            at += len(item.value) + len(separator) if item.value else 0
        value = separator.join(i.value for i in items if i.value)
        safe = all(i.safe_for_llm for i in items)
        return cls(value, dict(total), safe, _BUILT_BY_REDACTOR, tuple(identities))

    def quoted(self, words: str) -> RedactedText | None:
        """These words alone, if this text has them as whole words; None otherwise, and for words with a tag."""
        if not words.strip() or "[" in words:
            return None
        if re.search(rf"(?<!\w){re.escape(words)}(?!\w)", self.value) is None:
            return None
        return replace(self, value=words, counts={}, identities=())

    def without(self, pieces: Iterable[str]) -> RedactedText:
        """The text with a line break in place of some pieces of it. Its counts stay."""
        value = re.sub("|".join(map(re.escape, pieces)) or "(?!)", "\n", self.value)
        return replace(self, value=value, identities=())

    def without_prefix(self, prefix: str) -> RedactedText | None:
        """The text after a prefix that was written before it was redacted; None if a tag touches the prefix.

        Args:
            prefix: Holds no bracket, so no tag can look like it.
        """
        if "[" in prefix or not self.value.startswith(prefix):
            return None
        identities = tuple(tag.moved(-len(prefix)) for tag in self.identities)
        return replace(self, value=self.value[len(prefix) :], identities=identities)

    def after(self, earlier: RedactedText) -> RedactedText:
        """This redaction of a text that was redacted before: counts add up, and it is safe only if both were."""
        total = Counter(earlier.counts) + Counter(self.counts)
        return replace(
            self, counts=dict(sorted(total.items())), safe_for_llm=self.safe_for_llm and earlier.safe_for_llm
        )

    def with_plain_tags(self) -> RedactedText:
        """The text with the tag alone in place of each hashed one, for a text that may be of several sessions."""
        return replace(self, value=_HASHED_TAG.sub(r"\1]", self.value), identities=())

    def with_numbers(self, number_of: NumberOf) -> RedactedText:
        """The text with a number in each tag for which ``number_of`` has one; the others stay plain. No identity is
        left.
        """
        pieces, at = [], 0
        for tag in self.identities:
            number = number_of(tag)
            if number is not None:
                pieces += [self.value[at : tag.end - 1], f"_{number}]"]
                at = tag.end
        value = "".join([*pieces, self.value[at:]])
        return replace(self, value=value, identities=())

    def __bool__(self) -> bool:
        return bool(self.value)

    def __str__(self) -> str:
        return self.value

    def __reduce__(self) -> tuple[object, ...]:
        return _unpickle, (self.value, self.counts, self.safe_for_llm, self.identities)


def _unpickle(
    value: str, counts: dict[str, int], safe_for_llm: bool, identities: tuple[TagIdentity, ...]
) -> RedactedText:
    return RedactedText(value, counts, safe_for_llm, _BUILT_BY_REDACTOR, identities)
