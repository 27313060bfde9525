"""What one turn, or one picture, means for the progress of a session: answers, corrections, skips and steps back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from models.redaction.commands import any_of, folded, says, says_only
from models.text import RedactedText
from server.flows.definition import Step
from server.flows.extraction import visitor_count
from server.flows.fields import ChoiceField, NumberField, PersonalField, PhotoField, TextField, YesNoField
from server.flows.personal_values import corrected, only_of_others, owners
from server.flows.progress import NO_VALUE, Answer, AnswerStatus, FieldProgress, FieldState, Progress
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.choices import chooses_no
from server.flows.reading.places import tells_place
from server.flows.reading.reader import Request, read_answer
from server.flows.reading.restating import restated
from server.flows.reading.whose_number import belongs_to_another_field
from server.flows.reading.words import (
    PHOTOGRAPH,
    SAID,
    after_marker,
    agrees_only,
    correction_markers,
    denials,
    denies_all,
    folded_no,
    greets,
    is_puzzled,
    phrases,
    starts_with_marker,
)

_FIRST_WORDS = 4
"""Words at the start of a text among which "no" or "sorry" announces a correction."""

_WRONG = re.compile(r"\b(?:wrong|falsch|mal|incorrect[ao]?|faux|fausse|errad[ao])\b|गलत")


def answers_in(progress: Progress, material: AnswerText, *, asked: bool, source_id: str) -> list[Answer]:
    """What a turn says, in the order of the flow.

    Args:
        progress: Before the turn.
        material: The turn.
        asked: Whether the question of ``progress`` was put to the person, by the assistant or on the screen.
        source_id: UUID of the turn.
    """
    current = progress.current
    if asked and says("back", material.plain, material.code):
        earlier = progress.before_current()
        return [_row(earlier, AnswerStatus.REOPENED, material, source_id)] if earlier else []
    if asked and current is not None and says("skip", material.plain, material.code):
        return [_row(one, AnswerStatus.SKIPPED, material, source_id) for one in skipped_with(progress, current)]
    if asked and is_puzzled(material.plain, material.code):
        return []
    denies = denies_all(material.plain, material.code)
    if asked and current is not None and denies and not chooses_no(current.field, material):
        if not current.field.required and not isinstance(current.field, YesNoField):
            return [_row(current, AnswerStatus.SKIPPED, material, source_id)]
        if isinstance(current.field, TextField) and not current.asked_again:
            return [_row(current, AnswerStatus.REOPENED, material, source_id)]
    corrects = _corrects(material, current)
    no_text = only_of_others(progress, material)
    again = restated(progress, material, current if asked else None)
    found = list(_corrections(progress, material, current)) if corrects and again is None else []
    found = found if again is None else list(_beside(progress, again, material))
    corrects = corrects or (again is not None and starts_with_marker(material.text.value, material.code))
    found = _without_texts(found) if no_text else found
    if not found:
        found = list(_answers(progress, material, current if asked else None))
        found = _without_texts(found) if no_text else found
    rows = [_row(one, AnswerStatus.ANSWERED, material, source_id, value, corrects=corrects) for one, value in found]
    changes = any(one.state is FieldState.ANSWERED for one, _ in found)
    told = current is not None and (changes or _tells_more(current, progress.find(progress.last), material))
    if asked and current is not None and not told and _passed_over(current, rows, material):
        status = AnswerStatus.SKIPPED if rows or _is_passed(current, material) else AnswerStatus.REOPENED
        rows.append(_row(current, status, material, source_id))
    return rows


def answers_of_picture(
    progress: Progress, pictures: Sequence[AnswerText], source_id: str, *, step: Step | None
) -> list[Answer]:
    """What a picture says. Fields that count photographs are answered by ``answers_of_photograph``.

    Args:
        progress: Before it.
        pictures: All pictures of the session that were read, the new one last.
        source_id: UUID of its upload.
        step: The step that was asked when it was sent.
    """
    newest, rows = pictures[-1], []
    own = owners(progress, newest, None, step=step)
    for one in progress.fields:
        if isinstance(one.field, PersonalField) and one.field.name not in own:
            continue
        value = _counted(one, pictures) or read_answer(one.field, one.step, newest, Request())
        if value and not (one.pictured and one.field.equal(one.pictured.value, value.value)):
            rows.append(_row(one, AnswerStatus.ANSWERED, newest, source_id, value))
    return rows


def skipped_with(progress: Progress, one: FieldProgress) -> list[FieldProgress]:
    """The fields that are skipped when somebody skips this one: its whole step, itself, or none."""
    if one.step.skippable:
        return [each for each in progress.fields if each.step.name == one.step.name and each.open]
    return [] if one.field.required else [one]


def _counted(one: FieldProgress, pictures: Sequence[AnswerText]) -> RedactedText | None:
    """What all pictures together give: the rows of all registers."""
    if isinstance(one.field, NumberField) and one.field.reader == "register_rows" and "picture" in one.step.ways:
        if pictures[-1].picture != "visitor_register":
            return None
        registers = [picture.text for picture in pictures if picture.picture == "visitor_register"]
        rows = sum(visitor_count(text.value, text.counts) for text in registers)
        return RedactedText.literal(str(rows)) if rows and not one.field.problem(str(rows)) else None
    return None


def _answers(
    progress: Progress, material: AnswerText, asked: FieldProgress | None
) -> Iterator[tuple[FieldProgress, RedactedText]]:
    """Values of the field that was asked for, and of others that nobody has answered yet."""
    own = owners(progress, material, asked, step=progress.step)
    every_other = [one for one in progress.fields if one is not asked]
    others = [
        one
        for one in every_other
        if one.field.name in own or (one.state is not FieldState.ANSWERED and not isinstance(one.field, PersonalField))
    ]
    texts = {one.field.name: own[one.field.name].text if one.field.name in own else material for one in others}
    found = [
        (one, value)
        for one in others
        if (value := read_answer(one.field, one.step, texts[one.field.name], Request()))
        and _is_told_apart(progress, one, value)
    ]
    if asked is not None and isinstance(asked.field, PersonalField):
        mine = own.get(asked.field.name)
        answer = None if mine is None else _asked(asked, mine.text, alone=True)
    else:
        answer = None if asked is None else _asked(asked, material, alone=not found)
    if asked is not None and answer and not belongs_to_another_field(asked, every_other, answer, material):
        yield asked, answer
    yield from found
    yield from _restated(progress, material, asked)


def _without_texts(found: Iterable[tuple[FieldProgress, RedactedText]]) -> list[tuple[FieldProgress, RedactedText]]:
    return [(one, value) for one, value in found if not isinstance(one.field, TextField)]


def _is_told_apart(progress: Progress, one: FieldProgress, value: RedactedText) -> bool:
    """Whether an option says by itself which choice is meant: "a scratch" does not where two choices have it."""
    others = (each.field for each in progress.fields if each is not one and isinstance(each.field, ChoiceField))
    return not isinstance(one.field, ChoiceField) or all(value.value not in other.values for other in others)


def _restated(
    progress: Progress, material: AnswerText, asked: FieldProgress | None
) -> Iterator[tuple[FieldProgress, RedactedText]]:
    """Numbers that differ from what was said before: those that a text names ("the mileage is 48,215"), and the one
    that was answered last, where a text says nothing but it ("it is 48,215 km").
    """
    for one in progress.fields:
        known = one is not asked and one.state is FieldState.ANSWERED and isinstance(one.field, NumberField)
        if known and not material.is_question:
            value = read_answer(one.field, one.step, material, Request(named=True))
            if value is None and one.field.name == progress.last:
                value = read_answer(one.field, one.step, material, Request(alone=True))
            if value and _differs(one, value):
                yield one, value


def _beside(
    progress: Progress, again: tuple[FieldProgress, RedactedText], material: AnswerText
) -> Iterator[tuple[FieldProgress, RedactedText]]:
    """A value that is stated again, with the unit that is stated with it."""
    yield again
    for one in progress.fields:
        if one is not again[0] and one.step is again[0].step and isinstance(one.field, ChoiceField):
            value = read_answer(one.field, one.step, material, Request())
            if value and _differs(one, value):
                yield one, value


def _asked(one: FieldProgress, material: AnswerText, *, alone: bool) -> RedactedText | None:
    named = isinstance(one.field, TextField) and one.field.reader is not None
    side = _side(one, material) if one.state is FieldState.DISPUTED else None
    if side and not re.search(r"\d", material.plain):
        return side
    whole = alone or not named or tells_place(material)
    return read_answer(one.field, one.step, material, Request(asked=whole)) or side


def _side(one: FieldProgress, material: AnswerText) -> RedactedText | None:
    """Which of two values is meant by "the photograph is right", or "what I said"."""
    text = folded(material.plain)
    picture = any_of(phrases(PHOTOGRAPH, material.code)).search(text) is not None
    said = any_of(phrases(SAID, material.code)).search(text) is not None
    if picture == said:
        return None
    wrong = _WRONG.search(text) is not None
    return one.pictured if picture != wrong else one.said


def _corrections(
    progress: Progress, material: AnswerText, current: FieldProgress | None
) -> Iterator[tuple[FieldProgress, RedactedText]]:
    """Values of answered fields that a correction names; else of the field that was answered last."""
    answered = [one for one in progress.fields if one.state is FieldState.ANSWERED]
    found = [
        (one, value)
        for one in answered
        if not isinstance(one.field, PersonalField)
        if not isinstance(one.field, TextField) or one.field.reader is not None
        if (value := read_answer(one.field, one.step, material, Request(corrects=True))) and _differs(one, value)
        if _is_told_apart(progress, one, value)
    ]
    personal = corrected(progress, material, current)
    found += [(one, value) for one, own in personal if (value := read_answer(one.field, one.step, own.text, Request()))]
    yield from found
    if current is not None and current.field.name in owners(progress, material, current, step=current.step):
        return  # it corrects itself: "415 ..., no wait, 415 ..." is the answer to the question
    last = next((one for one in answered if one.field.name == progress.last), None)
    if not found and last is not None and not isinstance(last.field, YesNoField | PhotoField | PersonalField):
        if isinstance(last.field, TextField) and not _rewords(material, current, last):
            return
        value = read_answer(last.field, last.step, material, Request(asked=True, corrects=True))
        rest = material.text.quoted(after_marker(material.text.value, material.code))
        if value and rest and isinstance(last.field, TextField):
            value = read_answer(last.field, last.step, replace(material, text=rest), Request(asked=True)) or value
        if value and _differs(last, value):
            yield last, value


def _rewords(material: AnswerText, current: FieldProgress | None, last: FieldProgress) -> bool:
    """Whether a correction has new words for an earlier text. A bare "no" has none, nor has "no, there isn't one".

    "No, the wall fell" answers an optional question for something else, unless it takes up a word of the earlier text.
    """
    one_word, several = correction_markers(material.code)
    text, rest = folded(material.plain), folded(after_marker(material.text.value, material.code))
    says_nothing = not re.search(r"\w", rest) or greets(rest, material.code)
    if says_nothing or says_only(denials(material.code), rest, material.code):
        return False
    if several.search(text):
        return True
    bare_no = {found[0] for found in one_word.finditer(text)} <= folded_no(material.code)
    optional = current is not None and not current.field.required
    denies = any_of(denials(material.code)).search(re.split(r"[,.;:!?]", rest)[0]) is not None
    if not optional:
        return not (bare_no and denies)
    free = current is not None and isinstance(current.field, TextField)
    return not denies and (not bare_no or (not free and _takes_up(rest, last)))


def _takes_up(text: str, last: FieldProgress) -> bool:
    """Whether a text has a longer word of the one before."""
    said = set(re.findall(r"\w{4,}", folded(last.said.value)))
    return bool(said & set(re.findall(r"\w{4,}", text)))


def _tells_more(current: FieldProgress, last: FieldProgress | None, material: AnswerText) -> bool:
    """Whether more than a no is said to a question that is no free text, right after one that was: "no, the wall fell".

    It may correct what was said before, so it does not go on without the answer, but asks again.
    """
    rest = folded(after_marker(material.text.value, material.code))
    told = len(re.findall(r"\w{3,}", rest)) > 1 and rest != folded(material.plain).strip(" .,!")
    free = isinstance(current.field, TextField | YesNoField)
    denies = any_of(denials(material.code)).search(rest) is not None
    return told and not free and not denies and last is not None and isinstance(last.field, TextField)


def _differs(one: FieldProgress, value: RedactedText) -> bool:
    return not one.field.equal(one.value.value, value.value)


def _corrects(material: AnswerText, current: FieldProgress | None) -> bool:
    """Whether a text announces a correction. A bare "no" does not, nor one that answers the question."""
    one_word, several = correction_markers(material.code)
    text = folded(material.plain)
    if several.search(text):
        return True
    if denies_all(text, material.code):
        return False
    found = {marker[0] for marker in one_word.finditer(" ".join(text.split()[:_FIRST_WORDS]))}
    answers = current is not None and (isinstance(current.field, YesNoField) or chooses_no(current.field, material))
    return bool(found - folded_no(material.code) if answers else found)


def _passed_over(current: FieldProgress, rows: Sequence[Answer], material: AnswerText) -> bool:
    """Whether something optional was asked and something else was said."""
    plain = material.plain.strip()
    told = re.search(r"\w", plain) is not None or bool(rows)
    greeted = greets(plain, material.code) or material.is_question or agrees_only(plain, material.code)
    answered = any(row.field == current.field.name or row.corrects for row in rows)
    return not current.field.required and told and not greeted and not answered


def _is_passed(current: FieldProgress, material: AnswerText) -> bool:
    """Whether an optional question counts as passed, and is not asked once more: it was asked again already, something
    is denied ("I can't read it"), or opening it again would forget a value or photographs.
    """
    denies = any_of(denials(material.code)).search(folded(material.plain)) is not None
    has_some = current.state is not FieldState.MISSING or bool(current.photographs)
    return current.asked_again or denies or has_some


def _row(
    one: FieldProgress,
    status: AnswerStatus,
    material: AnswerText,
    source_id: str,
    value: RedactedText = NO_VALUE,
    *,
    corrects: bool = False,
) -> Answer:
    return Answer(one.step.name, one.field.name, status, value, material.way, source_id, corrects)
