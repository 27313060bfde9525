"""Reads the text of a property with its key, because some values are personal only beside a word that says so.

Alone, ``1987-05-12`` is any date. With the key ``dob`` it is a date of birth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from models.redaction.types import CLASSIFIER, SLOT_TAGGER, Redaction
from models.text import Entity, RedactedText
from server.flows.fields import FieldDefinition, TextField

LONGEST_WITH_KEY: Final = 100
"""Characters of a value that is read with its key, too. A longer one is sentences, and says itself what it tells."""
_NAME: Final = "NAME"
_GUESSES: Final = (CLASSIFIER, SLOT_TAGGER)


def key_prefix(key: str, value: str) -> str:
    """What is written in front of a value when it is read with its key, ``date of birth: ``; empty for a long value."""
    words = " ".join(key.replace("_", " ").split())
    return f"{words}: " if words and len(value) <= LONGEST_WITH_KEY else ""


def label_prefix(field: FieldDefinition, language: str, value: str) -> str:
    """What is written in front of the value of a field of a flow: its label, for a visitor and a reviewer alike.

    A text whose reader knows what it names, such as a site, has no key: "site name:" would introduce a person.

    Args:
        field: Of the flow.
        language: ISO 639-1 code of the label.
        value: That the field gets.
    """
    names_thing = isinstance(field, TextField) and field.reader is not None
    return "" if names_thing else key_prefix(field.label_in(language), value)


def told_by_key(alone: Redaction, keyed: Redaction, prefix: str) -> Redaction:
    """The value as both readings redact it.

    The key adds what it tells, and takes nothing away: what is hidden in the value alone stays hidden.

    Args:
        alone: Of the value.
        keyed: Of the value behind ``prefix``.
        prefix: Its key, see ``key_prefix``.
    """
    found = [_moved(entity, len(prefix)) for entity in keyed.entities if entity.end > len(prefix)]
    added = [entity for entity in found if not _is_guessed_name(entity) and not _covers(alone.entities, entity)]
    if not added:
        return alone
    cut = keyed.text.without_prefix(prefix)
    if cut is not None and all(_covers(found, entity) for entity in alone.entities):
        return Redaction(cut, tuple(found))
    return Redaction(RedactedText.tag(added[0].type), (added[0],))


def _is_guessed_name(entity: Entity) -> bool:
    """Whether a network took a word for a name because a key stands beside it, as in ``reason: timeout``.

    A name is a name without its key, too; so this reading adds only those that a rule finds.
    """
    return entity.type == _NAME and entity.recognizer.startswith(_GUESSES)


def _covers(entities: tuple[Entity, ...] | list[Entity], inner: Entity) -> bool:
    return any(entity.start <= inner.start and inner.end <= entity.end for entity in entities)


def _moved(entity: Entity, by: int) -> Entity:
    """The entity in the value; one that begins in the key begins with the value."""
    return replace(entity, start=max(entity.start - by, 0), end=entity.end - by)
