"""Seals the values that were found in a text, for the systems that a request names. Runs in the workers alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from models.redaction.itn.view import spoken_view
from models.redaction.normalize.invisible import without_invisible
from models.redaction.spans.operators import session_key, value_hash
from models.redaction.types import RedactionScope
from models.sealed_values import Binding, OpenedValue, SealedValue, SealRequest, SealTarget, seal_value
from models.text import Entity, RawText, TextSource

_MAY_BE_SPOKEN: Final = frozenset({TextSource.SPEECH, TextSource.TYPED})
"""Sources in which a number may be written in words."""

_CORES: Final = {
    "EMAIL": re.compile(r"[^\s@]+@[^\s@]+"),
    "PHONE": re.compile(r"\+?\d(?:[\s()./-]*\d){6,}"),
}
"""The value among the words beside it, which are redacted with it where it was spoken."""

_MARKS: Final = " .,;:!?"
"""Marks of the sentence at the end of a value."""


class Sealer:
    """Seals the values of one session.

    Args:
        request: What is sealed.
        scope: The session; without an id, nothing can be bound to it.
        worker_key: The key that only workers have; the session's key of the hashes is derived from it.
    """

    def __init__(self, request: SealRequest, scope: RedactionScope, worker_key: bytes) -> None:
        if not scope.session_id:
            raise ValueError("values are sealed for a session")
        self._request = request
        self._session_id = scope.session_id
        self._key = session_key(worker_key, scope)

    def values(
        self, text: RawText, entities: Iterable[Entity], source: TextSource, language: str
    ) -> tuple[SealedValue, ...]:
        """The values of the types that are asked for, in order; one that is said twice is sealed once.

        Args:
            text: The text.
            entities: What was found in it, with offsets in it.
            source: Where it came from.
            language: ISO 639-1 code.
        """
        raw = text.reveal()
        found: dict[tuple[str, str], SealedValue] = {}
        for entity in entities:
            if not (targets := self._request.targets_of(entity.type)):
                continue
            value = _value(entity.type, raw[entity.start : entity.end], source, language)
            digest = value_hash(entity.type, value.written, self._key)
            for target in targets:
                if (target.field, digest) not in found:
                    found[target.field, digest] = self._sealed(value, target, digest)
        return tuple(found.values())

    def _sealed(self, value: OpenedValue, target: SealTarget, digest: str) -> SealedValue:
        if not target.public_key:
            return SealedValue(target.type, target.field, "", b"", digest)
        binding = Binding(self._session_id, target.field, target.type, target.key_id)
        ciphertext = seal_value(value, target.public_key, binding)
        return SealedValue(target.type, target.field, target.key_id, ciphertext, digest)


def sealer_of(scope: RedactionScope, worker_key: bytes) -> Sealer | None:
    """What seals the values of a scope; None if nothing is to be sealed."""
    return None if scope.seal is None else Sealer(scope.seal, scope, worker_key)


def _value(entity_type: str, said: str, source: TextSource, language: str) -> OpenedValue:
    seen = without_invisible(said).strip()
    spoken = spoken_view(seen, language) if source in _MAY_BE_SPOKEN else None
    written = spoken.text if spoken else seen
    cores = _CORES[entity_type].findall(written) if entity_type in _CORES else []
    return OpenedValue(seen, cores[0] if len(cores) == 1 else written.rstrip(_MARKS))
