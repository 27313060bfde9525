"""Of which field a personal value is: it may be another person's, or fit several fields. In doubt it is of none.

A field that got nothing stays open, so the person is asked for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from models.kept_values import BETWEEN
from models.redaction.commands import any_of, folded
from models.sealed_values import SealedValue
from server.flows.definition import FlowDefinition, Step
from server.flows.extraction import TAG, tags_of
from server.flows.fields import PersonalField, TextField
from server.flows.progress import FieldProgress, FieldState, Progress
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.fillers import tells_only_tags, words_besides
from server.flows.speakers import TaggedValue, ValueOwner, speaks_of_listener, tagged_values
from server.flows.texts import text_in

_FEW_WORDS, _MOST_WORDS = 4, 8
"""Words beside a value in a correction of it: "the number is". With more, a text tells something else, too. Polite
words, "no, wait" and "it's" are not counted.
"""


@dataclass(frozen=True, slots=True)
class OwnValues:
    """The values of one field in a text.

    Attributes:
        text: The text with nothing but their tags.
        starts: Where the tags start in the whole text; None where ``text`` is the whole text.
    """

    text: AnswerText
    starts: frozenset[int] | None = None


def sharing(flow: FlowDefinition, entity: str) -> list[PersonalField]:
    """The personal fields of a flow that may have values of a type."""
    return [each for each in flow.fields.values() if isinstance(each, PersonalField) and entity in each.entities]


def owners(
    progress: Progress, material: AnswerText, asked: FieldProgress | None, *, step: Step | None
) -> dict[str, OwnValues]:
    """The fields that the personal values of a text are of, each with its values.

    A value is of the field that was asked for, unless it is somebody else's by the words before it. Of another field it
    is only where the person introduces it as their own, or names the field. In a picture a value is of the only field
    that may have it, or of the only one in the step that is asked.

    Args:
        progress: Before the text.
        material: The text.
        asked: The field that the person was asked for; None where there was no question, and for a picture.
        step: The step that was asked when the text came.
    """
    able = [one for one in progress.fields if _may_have(one, material)]
    if material.way == "picture":
        found = tags_of(material.text.value, material.text.counts)
        first = (_owner([one for one in able if entity in _entities(one, asked)], step) for entity in found)
        return {one.field.name: OwnValues(material) for one in first if one is not None}
    own: dict[str, list[TaggedValue]] = {}
    before = ""
    for value in tagged_values(material.text.value, material.language):
        can = [one for one in able if value.entity in _entities(one, asked)]
        one = _told_owner(can, value, asked, progress, step, material)
        name = one.field.name if one is not None else ""
        if one is not None:
            mine = own.setdefault(name, [])
            if value.repairs and name == before:
                mine.pop()
            mine.append(value)
        before = name
    limited = {name: _only(material, values) for name, values in own.items()}
    hidden = not TAG.search(material.text.value) and any(
        map(material.text.counts.get, () if asked is None else _entities(asked, asked))
    )
    if asked is not None and asked in able and hidden:
        limited[asked.field.name] = OwnValues(material)  # a policy may write something else than tags
    return limited


def corrected(
    progress: Progress, material: AnswerText, asked: FieldProgress | None
) -> list[tuple[FieldProgress, OwnValues]]:
    """The personal field that a correction gives a new value, with that value; none where it is not certain which.

    Args:
        progress: Before the text.
        material: A text that announces a correction.
        asked: The field that the person was asked for.
    """
    words = words_besides(material.text.value, material.code)
    free = asked is not None and isinstance(asked.field, TextField)
    if len(words) > (_FEW_WORDS if free else _MOST_WORDS):
        return []
    values = [
        each
        for each in tagged_values(material.text.value, material.language)
        if each.whose is not ValueOwner.OTHER and not each.others
    ]
    able = [
        one
        for one in progress.fields
        if one.state is FieldState.ANSWERED
        and _may_have(one, material)
        and any(each.entity in _entities(one, asked) for each in values)
    ]
    text = folded(material.plain)
    named = [one for one in able if any_of([folded(one.field.label_in(material.language))]).search(text)]
    last = [one for one in able if one.field.name == progress.last]
    own = [one for one in able if any(v.whose is ValueOwner.OWN and v.entity in _entities(one, asked) for v in values)]
    fits = able if not words else []  # nothing but the value is said, so it is of the only field that has such a one
    found = next((each for each in (named, last, own, fits) if len(each) == 1), [])
    return [(one, _only(material, [v for v in values if v.entity in _entities(one, asked)][-1:])) for one in found]


def sealed_of_fields(
    progress: Progress, material: AnswerText, asked: FieldProgress | None, sealed: Sequence[SealedValue]
) -> list[SealedValue]:
    """The sealed values of a turn without those that are somebody else's, or where it is not certain which they are.

    Args:
        progress: Before the turn.
        material: The turn.
        asked: The field that the person was asked for.
        sealed: Of the whole turn, in its order, for each field that may have them.
    """
    fields = {each.field.name for each in progress.fields}
    own = {one.field.name: values for one, values in corrected(progress, material, asked)}
    own |= owners(progress, material, asked, step=progress.step)
    kept = [value for value in sealed if value.field not in fields]
    for field in dict.fromkeys(value.field for value in sealed if value.field in fields):
        if values := own.get(field):
            kept += _sealed_of([value for value in sealed if value.field == field], material, values)
    return kept


def _sealed_of(mine: Sequence[SealedValue], material: AnswerText, own: OwnValues) -> list[SealedValue]:
    """Those at the tags of a field. The values are sealed in the order of the text, one that is said twice once."""
    if own.starts is None:
        return list(mine)
    kept: list[SealedValue] = []
    for entity in dict.fromkeys(value.type for value in mine):
        of_type = [value for value in mine if value.type == entity]
        tags = [tag for tag in TAG.finditer(material.text.value) if tag[1] == entity]
        distinct: dict[object, bool] = {}
        for tag in tags:
            number = tag[0] if tag[0] != f"[REDACTED_{entity}]" else tag.start()
            distinct[number] = distinct.get(number, False) or tag.start() in own.starts
        if len(distinct) == len(of_type):
            kept += [value for value, here in zip(of_type, distinct.values(), strict=True) if here]
        elif all(distinct.values()):
            kept += of_type
    return kept


def only_of_others(progress: Progress, material: AnswerText) -> bool:
    """Whether a text has nothing but values that personal fields of the flow may have, so that it answers no text.

    Polite words, those that announce a correction, and "it's" add nothing.
    """
    personal = (each for each in progress.flow.fields.values() if isinstance(each, PersonalField))
    kinds = {entity for field in personal for entity in field.entities}
    return tells_only_tags(material.text.value, material.code, kinds)


def gives_own(material: AnswerText, entities: Iterable[str]) -> bool:
    """Whether a text that answers no known question introduces a value of these types as the speaker's own."""
    types = set(entities)
    return any(
        value.entity in types and value.whose is ValueOwner.OWN
        for value in tagged_values(material.text.value, material.language)
    )


def only_others(text: str, language: str, entities: Iterable[str]) -> bool:
    """Whether all values of these types in a text are somebody else's by the words before them."""
    types = set(entities)
    found = [value for value in tagged_values(text, language) if value.entity in types]
    return bool(found) and all(value.whose is ValueOwner.OTHER for value in found)


def _told_owner(
    able: Sequence[FieldProgress],
    value: TaggedValue,
    asked: FieldProgress | None,
    progress: Progress,
    step: Step | None,
    material: AnswerText,
) -> FieldProgress | None:
    if asked is not None and asked in able:
        ask, flow = asked.field.ask, progress.flow
        language = flow.languages[0] if isinstance(ask, str) else flow.language(material.language)
        about_them = speaks_of_listener(text_in(ask, language), language)
        return None if value.others and about_them else asked
    labelled = [one for one in able if value.has_label(one.field.label_in(material.language), material.language)]
    if len(labelled) == 1:
        return labelled[0]
    if value.whose is ValueOwner.OWN:
        return _owner(able, step)
    one = _owner(able, step)
    unasked = asked is None and value.whose is ValueOwner.UNKNOWN and not value.others
    return one if unasked and one is progress.current else None


def _only(material: AnswerText, values: Sequence[TaggedValue]) -> OwnValues:
    counts = dict(Counter(value.entity for value in values))
    text = replace(material.text, value=BETWEEN.join(value.written for value in values), counts=counts, identities=())
    return OwnValues(replace(material, text=text), frozenset(value.start for value in values))


def _owner(able: Sequence[FieldProgress], step: Step | None) -> FieldProgress | None:
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
