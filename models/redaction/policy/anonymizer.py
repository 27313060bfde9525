"""Gives each entity its replacement: a tag, a mask or a hash, and a tag to be numbered its identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.redaction.policy.policy import RedactionPolicy
from models.redaction.spans.operators import Operator, full_names, hashed, identity_of, masked, tag_identity
from models.text import Entity


class Anonymizer:
    """Gives entities their replacements.

    Args:
        policy: Names the operator for each type.
        key: The session's key, for hashes.
    """

    def __init__(self, policy: RedactionPolicy, key: bytes) -> None:
        self._policy = policy
        self._key = key

    def replacements(
        self, text: str, entities: list[Entity], written_forms: Mapping[tuple[int, int], str]
    ) -> list[Entity]:
        """The entities with their replacements.

        Args:
            text: The text in which they were found.
            entities: Sorted, not overlapping.
            written_forms: For spans that were found in another view: their text in that view.
        """
        if not self._policy.rewrites:
            return entities
        values = [written_forms.get((e.start, e.end), text[e.start : e.end]) for e in entities]
        names = self._full_names(entities, values)
        return [self._replaced(entity, value, names) for entity, value in zip(entities, values, strict=True)]

    def _full_names(self, entities: Sequence[Entity], values: Sequence[str]) -> dict[str, str]:
        """The full name that each name stands for: "Lopez" is Maria Lopez if the text names no other Lopez."""
        return full_names([identity_of("NAME", v) for e, v in zip(entities, values, strict=True) if e.type == "NAME"])

    def _replaced(self, entity: Entity, value: str, names: Mapping[str, str]) -> Entity:
        treatment = self._policy.treatment_of(entity.type)
        if treatment.operator is Operator.MASK:
            return replace(entity, replacement=masked(value, treatment.shown))
        if treatment.operator is Operator.HASH:
            identity = identity_of(entity.type, value)
            return replace(entity, replacement=hashed(entity.type, names.get(identity, identity), self._key))
        if treatment.operator is Operator.NUMBER:
            return replace(entity, identity=tag_identity(entity.type, value, self._key))
        return entity
