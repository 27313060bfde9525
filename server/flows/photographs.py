"""Which photographs belong to which field. A picture belongs to one field at most, in the order in which fields ask.

A field that was opened again asks for new ones: no picture that came before counts for it, also if it is read later or
sent again.

Nothing here looks at a picture: what it shows is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.text import RedactedText
from server.flows.fields import PhotoField
from server.flows.progress import Answer, AnswerStatus, FieldProgress, FieldState, Progress


@dataclass(frozen=True, slots=True)
class Photograph:
    """A picture that was read.

    Attributes:
        id: UUID of the upload.
        kind: As the app declared it.
        sha256: Hash of the file, hexadecimal. Two pictures with one hash are the same picture, sent twice.
        time: When it was sent.
    """

    id: str
    kind: str
    sha256: str
    time: datetime


def answers_of_photograph(progress: Progress, sent: Sequence[Photograph], new_id: str) -> list[Answer]:
    """What a picture adds to the fields that ask for photographs: one more for the first field that lacks some.

    Pictures are read in any order, and the order in which they were sent counts. So those that were sent after this one
    and read before it are given out again.

    Args:
        progress: Before it.
        sent: All pictures of the session that were read, in the order in which they were sent.
        new_id: UUID of the one that was read now.
    """
    new = next((each for each in sent if each.id == new_id), None)
    fields = [one for one in progress.fields if isinstance(one.field, PhotoField)]
    counted = {each for one in fields for each in one.photographs}
    if new is None or new.sha256 in {each.sha256 for each in sent if each.id in counted}:
        return []
    later = [each for each in sent[sent.index(new) + 1 :] if each.id in counted]
    moving = {each.id for each in later}
    first_sent = {each.sha256: each.time for each in reversed(sent)}
    given = {one.field.name: [each for each in one.photographs if each not in moving] for one in fields}
    for photograph in (new, *later):
        if (one := _field_for(photograph, first_sent[photograph.sha256], fields, given)) is not None:
            given[one.field.name].append(photograph.id)
    return [
        Answer(one.step.name, one.field.name, AnswerStatus.ANSWERED, _number(given[one.field.name]), "picture", each)
        for one in fields
        for each in given[one.field.name]
        if each not in one.photographs
    ]


def _field_for(
    photograph: Photograph, first_sent: datetime, fields: Sequence[FieldProgress], given: Mapping[str, Sequence[str]]
) -> FieldProgress | None:
    """The first field that lacks photographs of the kind, else one that was skipped, else the last one.

    A field that was opened again after the picture was first sent is none of them.
    """
    able = [
        one
        for one in fields
        if isinstance(one.field, PhotoField) and photograph.kind in one.field.pictures
        if one.reopen_time is None or one.reopen_time <= first_sent
    ]
    skipped = [one for one in able if one.state is FieldState.SKIPPED]
    lacking = [one for one in able if one not in skipped and _lacks(one, given)]
    return next(iter([*lacking, *skipped, *able[-1:]]), None)


def _lacks(one: FieldProgress, given: Mapping[str, Sequence[str]]) -> bool:
    return isinstance(one.field, PhotoField) and len(given[one.field.name]) < one.field.least


def _number(photographs: Sequence[str]) -> RedactedText:
    return RedactedText.literal(str(len(photographs)))
