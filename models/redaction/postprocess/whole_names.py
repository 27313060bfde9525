"""Announced names to their ends: "my name is nguyen thi hoa", where only "nguyen thi" was found.

In small letters the classifier is not sure of short parts of a name. After an announcement or a title it need only
suspect them. Must NOT grow: a name before a word that is plainly none ("my name is kim from the office"), before a
label ("Name: Anna Smith Tel: 4821"), or into a value of another type; a printed text, whose cells stand side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

from models.redaction.lexicons.loader import ANY, across, words
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.recognizers.person.introduced_name import NOT_NAMES, announcement_before, is_sure, is_title
from models.redaction.slots.announcements import announcements_of
from models.redaction.types import RedactionContext, Suspect
from models.text import Entity, TextSource

_How = Literal["", "sure", "likely", "title"]
_NAME: Final = "NAME"
_SCORE: Final = 0.55
_MOST_SUSPECTED: Final = 3
"""Most words up to the last one that the classifier suspects: "thi khanh huyen"."""

_MOST_DOUBTED: Final = 2
_LONGEST_DOUBTED: Final = 6
"""Most words, and their most letters, that are hidden at the end of a clause although nothing suspects them."""

_FIRST_WORDS: Final = 3
"""Words of a name before which the announcement is sought. What was found may begin with it: "heiße nguyen"."""

_BEFORE_PLACES: Final = frozenset(across("postcode", "before"))
_BEFORE_NAME: Final = re.compile(r"[\s,:]{0,4}")
_NEXT: Final = re.compile(r"[ \t]{1,2}(?P<word>[^\W\d_][\w'\u2019-]{1,20})(?![\w'\u2019@-]|\.\w|\s?[:=])")
_ENDS: Final = re.compile(r"[ \t]*(?:[.,;!?()\[\]\n\r\"।…]|[-–—](?!\w)|\Z)")


def rest_of_names(
    view: TextView, found: Sequence[Entity], suspects: Iterable[Suspect], context: RedactionContext
) -> Iterator[Entity]:
    """The words that follow announced names in small letters and belong to them, each with its name."""
    if context.source is TextSource.OCR:
        return
    plain, suspected = _plain_words(context.language[:2].lower()), {suspect.start for suspect in suspects}
    others = [entity for entity in found if entity.type != _NAME]
    for start, end in _spans(view, found):
        following = _following(view, end, plain, others) if view.text[start].islower() else []
        announced = _announced(view, start, end, context.language) if following else ""
        grown = _end_of(view, following, suspected, announced) if announced else None
        if grown is not None:
            yield Entity(_NAME, start, grown, _SCORE, "rest-of-name")


def _spans(view: TextView, found: Sequence[Entity]) -> list[tuple[int, int]]:
    """The names, those that overlap or have only a space between as one."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((entity.start, entity.end) for entity in found if entity.type == _NAME):
        if spans and not view.text[spans[-1][1] : start].strip(" "):
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _following(view: TextView, end: int, plain: frozenset[str], others: Sequence[Entity]) -> list[tuple[int, int]]:
    """The next words that may belong to a name."""
    following: list[tuple[int, int]] = []
    while len(following) < _MOST_SUSPECTED and (match := _NEXT.match(view.lower, end)):
        start, end = match.span("word")
        is_plain = match["word"] in plain or re.split("['\u2019]", match["word"])[0] in plain
        if is_plain or any(other.start < end and start < other.end for other in others):
            break
        following.append((start, end))
    return following


def _announced(view: TextView, start: int, end: int, language: str) -> _How:
    """What announces the name; empty if nothing does."""
    firsts = [word.start() for word in islice(WORD.finditer(view.text, start, end), _FIRST_WORDS)]
    ends = announcements_of(language).introductions(view)
    if any(at <= first and _BEFORE_NAME.fullmatch(view.text, at, first) for at in ends for first in firsts):
        return "sure"
    return next(filter(None, (_introduced(view, first) for first in firsts)), "")


def _introduced(view: TextView, start: int) -> _How:
    before = announcement_before(view, start)
    if not is_title(before):
        return "sure" if is_sure(before) else "likely" if before else ""
    before = announcement_before(view, view.lower.rindex(before.lower(), 0, start))
    return "title" if not before or is_title(before) else "sure" if is_sure(before) else "likely"


def _end_of(view: TextView, following: list[tuple[int, int]], suspected: set[int], announced: _How) -> int | None:
    """Where the name ends; None if no word belongs to it."""
    ends = _ENDS.match(view.text, following[-1][1]) is not None
    if announced == "title" and not ends:  # "mrs brown waits outside"
        return None
    count = max((n for n, (start, _) in enumerate(following, 1) if start in suspected), default=0)
    rest = following[count:]
    is_short = len(rest) <= _MOST_DOUBTED and all(end - start <= _LONGEST_DOUBTED for start, end in rest)
    if announced == "sure" and is_short and ends:
        count = len(following)
    return following[count - 1][1] if count else None


@lru_cache(maxsize=16)
def _plain_words(language: str) -> frozenset[str]:
    """Words that are no part of a name, or of a sentence that goes on."""
    lists = announcements_of(language)
    said = frozenset().union(*(words(code, "function_words") for code in (language, "en")), lists.stops)
    particles = words(ANY, "particles", "names") - said
    return (NOT_NAMES | said | _BEFORE_PLACES | lists.times | lists.remarks | lists.objects | lists.counted) - particles
