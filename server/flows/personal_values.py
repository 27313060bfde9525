"""Whose a personal value is, where several fields of a flow may have one of its type. In doubt it is nobody's.

A field that got nothing stays open, so the person is asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.redaction.commands import any_of, folded
from server.flows.definition import FlowDefinition, Step
from server.flows.extraction import tags_of
from server.flows.fields import PersonalField, TextField
from server.flows.progress import FieldProgress, FieldState, Progress
from server.flows.reading.answer_text import AnswerText

_FEW_WORDS, _MOST_WORDS = 4, 8
"""Words beside a value in a correction of it: "no, the number is". With more, a text tells something else, too."""


def sharing(flow: FlowDefinition, entity: str) -> list[PersonalField]:
    """The personal fields of a flow that may have values of a type."""
    return [each for each in flow.fields.values() if isinstance(each, PersonalField) and entity in each.entities]


def owners(
    progress: Progress, material: AnswerText, asked: FieldProgress | None, *, step: Step | None
) -> frozenset[str]:
    """The fields that the personal values of a text are of.

    A value is of the field that was asked for. Without one it is of the only field that may have it, or of the only one
    in the step that is asked.

    Args:
        progress: Before the text.
        material: The text.
        asked: The field that the person was asked for; None where there was no question, and for a picture.
        step: The step that was asked when the text came.
    """
    found = tags_of(material.text.value, material.text.counts)
    able = [one for one in progress.fields if _may_have(one, material)]
    first = (_owner([one for one in able if entity in _entities(one, asked)], asked, step) for entity in found)
    return frozenset(one.field.name for one in first if one is not None)


def corrected(progress: Progress, material: AnswerText, asked: FieldProgress | None) -> list[FieldProgress]:
    """The personal field that a correction gives a new value; none where it is not certain which.

    Args:
        progress: Before the text.
        material: A text that announces a correction.
        asked: The field that the person was asked for.
    """
    words = re.findall(r"[^\W\d_]+", material.plain)
    free = asked is not None and isinstance(asked.field, TextField)
    if len(words) > (_FEW_WORDS if free else _MOST_WORDS):
        return []
    found = tags_of(material.text.value, material.text.counts)
    able = [
        one
        for one in progress.fields
        if one.state is FieldState.ANSWERED
        and _may_have(one, material)
        and any(found[each] for each in _entities(one, asked))
    ]
    text = folded(material.plain)
    named = [one for one in able if any_of([folded(one.field.label_in(material.language))]).search(text)]
    last = [one for one in able if one.field.name == progress.last]
    return next((each for each in (named, last, able) if len(each) == 1), [])


def _owner(able: Sequence[FieldProgress], asked: FieldProgress | None, step: Step | None) -> FieldProgress | None:
    if asked is not None and asked in able:
        return asked
    if len(able) == 1:
        return able[0]
    here = [one for one in able if step is not None and one.step.name == step.name]
    return here[0] if len(here) == 1 else None


def _may_have(one: FieldProgress, material: AnswerText) -> bool:
    if not isinstance(one.field, PersonalField) or material.way not in one.step.ways:
        return False
    return material.way != "picture" or (one.field.from_pictures and material.picture in one.step.pictures)


def _entities(one: FieldProgress, asked: FieldProgress | None) -> Sequence[str]:
    if not isinstance(one.field, PersonalField):
        return ()
    return one.field.accepted if one is asked else one.field.entities
