"""What a client wants redacted, and how. The default is strict: every type, the built-in thresholds, a tag for each
entity.

If a policy leaves something readable that the default would replace, the text must not go to the remote LLM
(``safe_for_llm`` is false). Allow-list phrases are the exception: the operator declares that they identify nobody.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from models.redaction.entities import LABELS
from models.redaction.ner.thresholds import Thresholds
from models.redaction.patterns.pattern_recognizer import THRESHOLD, PatternRecognizer, Recognizer
from models.redaction.policy.custom_recognizers import CustomRecognizer
from models.redaction.spans.merge import merge, weight
from models.redaction.spans.operators import TAGGED, Operator, Treatment, protected_pattern
from models.redaction.types import CLASSIFIER, OF_POLICY
from models.text import Entity


class AllowList:
    """Words and phrases that identify nobody, such as site names and product codes. Only whole words match; case and
    spacing do not matter.
    """

    def __init__(self, phrases: Iterable[str] = ()) -> None:
        self.phrases = tuple(sorted({" ".join(p.lower().split()) for p in phrases}, key=len, reverse=True))
        escaped = [r"\s{1,3}".join(map(re.escape, p.split())) for p in self.phrases]
        self._pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(escaped)})(?![^\W_])") if escaped else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def spans(self, lower: str) -> list[tuple[int, int]]:
        """Spans of its phrases in a lower-case text."""
        return [m.span() for m in self._pattern.finditer(lower)] if self._pattern else []


def within(spans: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    """Whether [start, end) lies inside one of the spans, which are sorted and do not overlap."""
    before = bisect_right(spans, start, key=lambda span: span[0])
    return before > 0 and end <= spans[before - 1][1]


@dataclass(frozen=True)
class RedactionPolicy:
    """One client's rules.

    Attributes:
        entities: Types to replace; None means all. Others are left and make the text unsafe for the LLM.
        treatments: What to write for a type; a tag if the type is missing.
        thresholds: Least score for a type. A threshold below the built-in one finds more; with a higher one, entities
            below it stay readable.
        allow: Phrases that are never replaced.
        recognizers: Custom recognizers.
    """

    entities: frozenset[str] | None = None
    treatments: Mapping[str, Treatment] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    allow: AllowList = field(default_factory=AllowList)
    recognizers: tuple[CustomRecognizer, ...] = ()

    def treatment_of(self, entity_type: str) -> Treatment:
        """Operator for a type."""
        return self.treatments.get(entity_type, TAGGED)

    def leaves(self, entity: Entity) -> bool:
        """Whether this entity stays readable."""
        if self.entities is not None and entity.type not in self.entities:
            return True
        if self.treatment_of(entity.type).operator is Operator.KEEP:
            return True
        return entity.score < self.thresholds.get(entity.type, 0.0)

    @cached_property
    def leaves_nothing(self) -> bool:
        """Whether every entity is replaced."""
        kept = any(t.operator is Operator.KEEP for t in self.treatments.values())
        return self.entities is None and not kept and not self.thresholds

    @cached_property
    def types(self) -> frozenset[str]:
        """Every label that a tag can have under this policy."""
        return LABELS | {recognizer.entity for recognizer in self.recognizers}

    @cached_property
    def rewrites(self) -> bool:
        """Whether anything other than plain tags is written."""
        rewriting = (Operator.MASK, Operator.HASH, Operator.NUMBER)
        return any(t.operator in rewriting for t in self.treatments.values())

    @cached_property
    def protected(self) -> re.Pattern[str]:
        """Matches what this policy writes. A later run leaves it unchanged."""
        masks = any(t.operator is Operator.MASK for t in self.treatments.values())
        return protected_pattern(sorted(self.types), masks=masks)

    def with_thresholds(self, recognizers: Sequence[Recognizer]) -> tuple[Recognizer, ...]:
        """The recognizers for this policy, with lower thresholds where the policy asks for them."""
        return (*(self._lowered(r) for r in recognizers), *self.recognizers)

    def _lowered(self, recognizer: Recognizer) -> Recognizer:
        if not isinstance(recognizer, PatternRecognizer):
            return recognizer
        threshold = min(THRESHOLD, self.thresholds.get(recognizer.entity, THRESHOLD))
        return recognizer if recognizer.threshold == threshold else replace(recognizer, threshold=threshold)

    def for_classifier(self, ours: Thresholds) -> Thresholds:
        """The classifier's thresholds, lowered where the policy asks for it."""
        numbers = [v for t, v in self.thresholds.items() if t not in ("NAME", "ADDRESS")]
        return replace(
            ours,
            name=min(ours.name, self.thresholds.get("NAME", 1.0)),
            address=min(ours.address, self.thresholds.get("ADDRESS", 1.0)),
            street_alone=min(ours.street_alone, self.thresholds.get("ADDRESS", 1.0)),
            number=min([ours.number, *numbers]),
        )

    def _passes_by_another_threshold(self, entity: Entity) -> bool:
        """Whether the classifier found the entity only because another type's threshold is lower."""
        ours = Thresholds().number
        by_classifier = entity.recognizer.startswith(CLASSIFIER) and entity.type not in ("NAME", "ADDRESS")
        return by_classifier and entity.score < ours and entity.type not in self.thresholds

    def split(self, text: str, found: Sequence[Entity]) -> tuple[list[Entity], list[Entity]]:
        """The merged entities to replace, and those that stay readable although the default would replace them.

        An entity inside a longer one that is kept is kept too, unless its score is higher: a name inside a kept e-mail
        address. For two entities with the same span, the better one decides. In every other overlap, and for what the
        policy's own recognizers find, replacing wins.
        """
        if self.leaves_nothing:
            return merge(text, found, self.protected), []
        found = [e for e in found if not self._passes_by_another_threshold(e)]
        left = [e for e in found if self.leaves(e)]
        kept = merge(text, left, self.protected)
        best = {(e.start, e.end): weight(e) for e in sorted(left, key=weight)}
        replaced = [
            e
            for e in found
            if not self.leaves(e)
            and (
                e.recognizer.startswith(OF_POLICY)
                or (not _inside_a_longer(kept, e) and weight(e) > best.get((e.start, e.end), (0.0, 0, 0)))
            )
        ]
        merged = merge(text, replaced, self.protected)
        covered = [(e.start, e.end) for e in merged]
        return merged, [e for e in left if not within(covered, e.start, e.end)]


def _inside_a_longer(kept: Sequence[Entity], entity: Entity) -> bool:
    before = bisect_right(kept, entity.start, key=lambda other: other.start)
    if not before:
        return False
    around = kept[before - 1]
    longer = entity.end <= around.end and (around.start, around.end) != (entity.start, entity.end)
    return longer and round(entity.score, 1) <= round(around.score, 1)


@dataclass(frozen=True)
class Policies:
    """The policy of every client.

    Attributes:
        default: For clients without one of their own, and for what belongs to no client.
    """

    default: RedactionPolicy = field(default_factory=RedactionPolicy)
    clients: Mapping[str, RedactionPolicy] = field(default_factory=dict)

    def of(self, client_id: str) -> RedactionPolicy:
        """The policy of one client."""
        return self.clients.get(client_id, self.default)


STRICT: Final = Policies()
