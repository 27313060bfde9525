"""Decides what is written for each entity."""

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

    def replacements(
        self, text: str, entities: list[Entity], written_forms: Mapping[tuple[int, int], str]
    ) -> list[Entity]:
        """The entities with what is written for them.

        Args:
            text: In which they were found.
            entities: Sorted, apart.
            written_forms: What a span says in the view in which it was found, where that is not the text itself.
        """
        if not self._policy.rewrites:
            return entities
        values = [written_forms.get((e.start, e.end), text[e.start : e.end]) for e in entities]
        names = self._full_names(entities, values)
        return [self._replaced(entity, value, names) for entity, value in zip(entities, values, strict=True)]

    def _full_names(self, entities: Sequence[Entity], values: Sequence[str]) -> dict[str, str]:
        """The full name that each name of this text belongs to: "Lopez" is Maria Lopez if no other Lopez is named."""
        return full_names([identity_of("NAME", v) for e, v in zip(entities, values, strict=True) if e.type == "NAME"])

    def _replaced(self, entity: Entity, value: str, names: Mapping[str, str]) -> Entity:
        treatment = self._policy.treatment_of(entity.type)
        if treatment.operator is Operator.MASK:
            return replace(entity, replacement=masked(value, treatment.shown))
        if treatment.operator is Operator.HASH:
            identity = identity_of(entity.type, value)
            return replace(entity, replacement=hashed(entity.type, names.get(identity, identity), self._key))
        return entity
