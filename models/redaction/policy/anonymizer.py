"""Writes what a policy wants in the place of each entity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.redaction.policy.policy import RedactionPolicy
from models.redaction.spans.operators import Operator, full_names, hashed, identity_of, masked
from models.text import Entity


class Anonymizer:
    """Gives entities their replacements.

    Args:
        policy: Says which operator a type gets.
        key: Of the session, for hashes.
    """

    def __init__(self, policy: RedactionPolicy, key: bytes) -> None:
        self._policy = policy
        self._key = key

    def written(self, text: str, entities: list[Entity], readings: Mapping[tuple[int, int], str]) -> list[Entity]:
        """The entities with what is written for them.

        Args:
            text: In which they were found.
            entities: Sorted, apart.
            readings: Normal form of a stretch, where it was found in one.
        """
        if not self._policy.rewrites:
            return entities
        said = [readings.get((e.start, e.end), text[e.start : e.end]) for e in entities]
        names = self._names(entities, said)
        return [self._rewritten(entity, reading, names) for entity, reading in zip(entities, said, strict=True)]

    def _names(self, entities: Sequence[Entity], said: Sequence[str]) -> dict[str, str]:
        """The whole name behind each name of this text: "Lopez" is Maria Lopez where nobody else is."""
        return full_names([identity_of("NAME", r) for e, r in zip(entities, said, strict=True) if e.type == "NAME"])

    def _rewritten(self, entity: Entity, reading: str, names: Mapping[str, str]) -> Entity:
        treatment = self._policy.treatment_of(entity.type)
        if treatment.operator is Operator.MASK:
            return replace(entity, replacement=masked(reading, treatment.shown))
        if treatment.operator is Operator.HASH:
            identity = identity_of(entity.type, reading)
            return replace(entity, replacement=hashed(entity.type, names.get(identity, identity), self._key))
        return entity
