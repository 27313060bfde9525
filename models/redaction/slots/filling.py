"""Slots that fail closed: what a spoken text announces is hidden, even if it was badly recognized.

"You can call me on for 1555-a-132", "362316 is the verification code". Once a slot was opened or a number was found,
the further numbers that nothing explains are hidden, too. Must NOT match: times and days ("call me at half past ten"),
amounts ("my code is 2500 lines long"), places ("reach me at the site"), remarks ("my number is up").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby, takewhile
from typing import Final

from models.redaction.itn.lexicon import HOMOPHONES, INNER_DIGITS, TOP_LEVEL
from models.redaction.itn.tokens import Token
from models.redaction.normalize.view import original
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.slots.addresses import address_of, joined_words, mailbox_of, may_be_address
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.entities import NUMBERS, RECOGNIZER
from models.redaction.slots.explanations import is_explained
from models.redaction.slots.openings import announced, suspected
from models.redaction.slots.spoken_words import STOPS, Run, SpokenWords
from models.redaction.slots.types import SlotWord
from models.redaction.slots.value_types import recognizer_of
from models.redaction.slots.values import MOST_PHRASE_WORDS, forward, may_go_on, value_of
from models.redaction.spans.merge import ANNOUNCED
from models.redaction.types import CLASSIFIER, RedactionContext
from models.text import Entity

_SCORE: Final = 0.6
_MIN_FURTHER: Final = 3
"""Least digits and letters of a further number that is hidden; after a pause or a correction, one less."""

_TALKED_OVER: Final = NUMBERS - {"SECRET"}
"""Types in which several words in a row are talk. Those of a pass phrase are the value."""

_WHOLE_ANSWER: Final = ":answer"
"""How recognizers end that take a whole text for an answer."""

_TRIMMED: Final = _TALKED_OVER | {"NAME", "EMAIL", "ADDRESS", "DOB"}
"""Types of values at the edges of which function words are talk."""

_OF_WORDS: Final = frozenset(("NAME", "EMAIL"))
"""Those of them that function words may be parts of."""

_IN_WORDS: Final = _OF_WORDS | {"ADDRESS", "SECRET"}
"""Types of values that words are parts of."""

_BY_CONTEXT: Final = (RECOGNIZER, ANNOUNCED, CLASSIFIER)
"""How recognizers begin that find a value by the words around it."""

_CODE_END: Final = 2
"""Letters at the end of a code, "R147 KW". More of them are a label: "4471 DOB"."""

_MIN_TALK: Final = 3
"""Least words in a row that are talk inside a number. Fewer may be misheard digits: "I'll win 911"."""

_POINTED_WORDS: Final = 9
"""Words after a number among which something may still point back to it."""


def fill_slots(text: SpokenWords, context: RedactionContext, found: Sequence[Entity]) -> list[Entity]:
    """The values of the slots of a text, and its further numbers if there is a value or a number among ``found``."""
    filled = list(chain.from_iterable(_entities(text, slot) for slot in announced(text, context)))
    filled += [Entity("EMAIL", start, end, _SCORE, ANNOUNCED) for start, end in joined_words(text)]
    spans = [(entity.start, entity.end) for entity in filled]
    rest = [run for run in text.runs if not _is_covered(run, spans)]
    filled += chain.from_iterable(_entities(text, slot) for slot in suspected(text, rest))
    return filled + list(_further(text, [*found, *filled]))


def fill_told(text: SpokenWords, found: Sequence[Entity]) -> list[Entity]:
    """What was not found yet of the values of the slots that a typed text opens beyond doubt, "my card is", and the
    numbers beside a number that was found.
    """
    slots = (slot for slot in text.announcements if slot.told and not slot.vague)
    filled = list(chain.from_iterable(_entities(text, slot) for slot in slots))
    further = (new for new in _further(text, [*found, *filled]) if has_digit(text.view.text[new.start : new.end]))
    apart = (new for new in further if not any(old.start < new.end and new.start < old.end for old in found))
    return [*chain.from_iterable(_left_of(text, new, found) for new in filled), *apart]


def _left_of(text: SpokenWords, new: Entity, found: Sequence[Entity]) -> Iterator[Entity]:
    """What of a value lies outside of the entities that were found.

    A word may be the label of what follows, "415 555 0132 E-mail:", so words are left only of a value in words, and a
    number may be another one, "reading 04821 m3". Of an e-mail address that was found no word is left.
    """
    beside = [old for old in found if old.start < new.end and new.start < old.end]
    if not beside:
        yield new
        return
    in_words = new.type in _IN_WORDS and not (new.type == "EMAIL" and any(old.type == "EMAIL" for old in beside))
    words = filter(text.is_word, range(text.at(new.start), text.at(new.end)))
    for is_left, group in groupby(words, key=lambda at: _is_left(text, text.tokens[at], beside)):
        piece = list(group)
        if not in_words:
            piece = [at for at in piece if text.characters[at]]
        if piece and is_left and (in_words or _is_number(text, piece, beside)):
            yield replace(new, start=text.tokens[piece[0]].start, end=text.tokens[piece[-1]].end)


def _is_number(text: SpokenWords, piece: Sequence[int], found: Sequence[Entity]) -> bool:
    """Whether nothing explains the tokens, and they are digits, several, or the two letters at the end of a code."""
    word = text.tokens[piece[0]]
    ends = len(word.text) == _CODE_END and any(text.view.text[old.end : word.start] == " " for old in found)
    lone = len(piece) == 1 and not text.sure[piece[0]]
    return (ends or not lone) and not is_explained(text, text.run(piece[0], piece[-1]))


def _is_left(text: SpokenWords, token: Token, found: Sequence[Entity]) -> bool:
    """Whether no entity covers the word. Of a word that one covers in part, only digits count."""
    left = [at for at in range(token.start, token.end) if not any(old.start <= at < old.end for old in found)]
    return len(left) == token.end - token.start or has_digit("".join(text.view.text[at] for at in left))


def without_pauses(text: SpokenWords, found: Iterable[Entity]) -> Iterator[Entity]:
    """The entities without the pauses and corrections at their edges, "scratch that", which others take for names."""
    for entity in found:
        inside = range(text.at(entity.start), text.at(entity.end))
        words = [at for at in inside if text.is_word(at)]
        kept = [at for at in words if at not in text.phrases]
        if words and words != kept and (not kept or {words[0], words[-1]} & text.phrases):
            if kept:
                yield replace(entity, start=text.tokens[kept[0]].start, end=text.tokens[kept[-1]].end)
        else:
            yield entity


def trimmed(text: SpokenWords, found: Iterable[Entity]) -> Iterator[Entity]:
    """The entities without function words at their edges: "555 0132, so" and "the 4th of May", not "for 1555".

    A capital inside a sentence is a name, the words of a secret are the value, and a street may begin with "via". Names
    and e-mail addresses that were found by their own form stay whole: "contact at example dot org", "monsieur le Gall",
    and so does a birth date that begins a text: it is an answer.
    """
    for entity in chain.from_iterable(_without_announcements(text, entity) for entity in found):
        words = [at for at in range(text.at(entity.start), text.at(entity.end)) if text.is_word(at)]
        kept = words
        by_form = entity.type in _OF_WORDS and not entity.recognizer.startswith(_BY_CONTEXT)
        answers = entity.type == "DOB" and not any(text.word_at[: words[0]] if words else ())
        if entity.type in _TRIMMED and not (by_form or answers):
            while kept and _is_function_word(text, kept[-1]):
                kept = kept[:-1]
            while kept and entity.type != "ADDRESS" and _is_function_word(text, kept[0]):
                kept = kept[1:]
        if kept == words or not kept:
            yield entity
        else:
            yield replace(entity, start=text.tokens[kept[0]].start, end=text.tokens[kept[-1]].end)


def _without_announcements(text: SpokenWords, entity: Entity) -> Iterable[Entity]:
    """The entity; of one that took the whole text for an answer, what stands around the announcements in it."""
    told = [slot for slot in text.announcements if slot.told and entity.start <= slot.start and slot.end <= entity.end]
    if not told or not entity.recognizer.endswith(_WHOLE_ANSWER):
        return [entity]
    spans = [(slot.start, slot.end) for slot in told]
    words = filter(text.is_word, range(text.at(entity.start), text.at(entity.end)))
    around: list[Entity] = []
    for announces, group in groupby(words, key=lambda at: _is_covered(text.tokens[at], spans)):
        part = list(group)
        if not announces and not all(_is_function_word(text, at) for at in part):
            around.append(replace(entity, start=text.tokens[part[0]].start, end=text.tokens[part[-1]].end))
    return without_pauses(text, around)


def _is_function_word(text: SpokenWords, at: int) -> bool:
    token = text.tokens[at]
    begins = at == 0 or text.tokens[at - 1].text in STOPS
    if text.characters[at] or text.words.sign(token) or not (begins or token.shape.islower()):
        return False
    host = token.text in TOP_LEVEL and at > 0 and text.words.sign(text.tokens[at - 1]) == "."
    part = host or text.words.atom(token) or token.text in HOMOPHONES | INNER_DIGITS.keys() | text.lists.times
    return not (text.is_plain(at) or part)


def outside_pauses(text: SpokenWords, tagged: Sequence[SlotWord]) -> list[SlotWord]:
    """What the tagger says, but talk inside a value is not personal: "no wait, I read that wrong" between two numbers.

    Talk is a pause or a correction, or several words in a row inside a number of which none sounds like a part of it.
    """
    pauses = {text.tokens[at].start for at in text.hesitating if not has_digit(text.tokens[at].text)}
    words = {token.start: at for at, token in enumerate(text.tokens)}

    def may_be_talk(word: SlotWord) -> bool:
        at = words.get(word.start)
        return (
            at is not None and word.type in _TALKED_OVER and len(text.tokens[at].text) > 1 and not text.characters[at]
        )

    talk = set(pauses)
    for is_talk, run in groupby(tagged, key=may_be_talk):
        starts = [word.start for word in run]
        if is_talk and len(starts) >= _MIN_TALK and not all(text.is_misheard(words[start]) for start in starts):
            talk.update(starts)
    return [word._replace(personal=0.0) if word.start in talk else word for word in tagged]


def unsettled_from(text: SpokenWords) -> int | None:
    """Start of a value that further words may still change; None if there is none."""
    open_slots = [slot.end for slot in text.announcements if not slot.back and _is_open(text, slot)]
    words = [at for at in range(len(text.tokens)) if text.is_word(at)]
    near = words[-_POINTED_WORDS] if len(words) >= _POINTED_WORDS else 0
    return min((*open_slots, *(_start(text, run) for run in text.runs if run.last >= near)), default=None)


def open_slot(raw: str, language: str) -> int | None:
    """Start of the announcement whose slot is open at the end of a text; None if there is none."""
    text = SpokenWords(original(raw), language)
    slots = (slot for slot in text.announcements if not slot.back and slot.told)
    return min((slot.start for slot in slots if may_go_on(text, slot)), default=None)


def _is_open(text: SpokenWords, slot: Announcement) -> bool:
    """Whether further words may still become the value of a slot. An address may begin with words that look settled."""
    called = slot.requested and forward(text, slot).first is None
    return may_go_on(text, slot) or ((slot.type == "EMAIL" or called) and may_be_address(text, slot))


def _start(text: SpokenWords, run: Run) -> int:
    """Where the run begins, with the words before it that a slot would take as misheard."""
    before = list(takewhile(text.is_misheard, range(run.first - 1, max(-1, run.first - 1 - MOST_PHRASE_WORDS), -1)))
    return text.tokens[before[-1]].start if before else run.start


def _entities(text: SpokenWords, slot: Announcement) -> Iterator[Entity]:
    for start, end in address_of(text, slot) if slot.type == "EMAIL" else value_of(text, slot):
        yield Entity(slot.type, start, end, _SCORE, recognizer_of(slot))
    for start, end in mailbox_of(text, slot):
        yield Entity("EMAIL", start, end, _SCORE, ANNOUNCED)


def _further(text: SpokenWords, found: Sequence[Entity]) -> Iterator[Entity]:
    """Numbers that nothing explains after the first number that was found, and right before it."""
    numbers = [entity for entity in found if has_digit(text.view.text[entity.start : entity.end])]
    if not numbers:
        return
    first = min(numbers, key=lambda entity: entity.start)
    spans = [(entity.start, entity.end) for entity in found]
    for run in text.runs:
        paused = text.is_after_pause(run)
        if run.end < first.start and text.at(first.start) - run.last > _POINTED_WORDS:
            continue
        if run.characters + paused < _MIN_FURTHER or _is_covered(run, spans) or is_explained(text, run):
            continue
        nearest = min(numbers, key=lambda entity: abs(entity.start - run.start))
        yield replace(nearest, start=run.start, end=run.end, score=_SCORE, recognizer=ANNOUNCED)


def _is_covered(part: Run | Token, spans: Iterable[tuple[int, int]]) -> bool:
    return any(start <= part.start and part.end <= end for start, end in spans)
