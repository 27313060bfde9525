"""Names after a title or an introduction, without the classifier.

Particles after a title begin a surname: "frau von der leyen", "Monsieur de la Fontaine". Must NOT match: "I am at the
site", "this is about my bill", "under the table", "Dr." without a name, weekdays and months; descriptions ("die frau
von der kasse"), which have an article before the title; offices ("madame la directrice").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.lexicons.loader import ANY, across, alternatives, languages, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.types import RedactionContext
from models.text import Entity

_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪİĶŁŃŇŌŐŒŘŚŞŠŢŤŪŮŰŹŻŽΑ-ΩА-Я]"
_PART = rf"(?:{_CAPITAL}[\w'\u2019-]{{1,30}}|{_CAPITAL}\s?\.|{_CAPITAL}(?!\w))"
_SUBJECT: Final = "introductions"
_PARTICLE = f"(?:{'|'.join(word_lists(ANY, 'particles')['names'])})"
_FULL = rf"{_PART}(?:[ -](?:{_PARTICLE} ){{0,2}}{_PART}){{0,4}}"

_TITLE = f"(?:{alternatives(_SUBJECT, 'titles')})"
_TITLED = re.compile(
    rf"(?<![\w-]){_TITLE}(?:\s?\.)?\s{_FULL}(?:\s(?:{_PARTICLE}\s)?{_CAPITAL}\s?\.(?=\s[a-zà-ÿ,;]))?"
    rf"|(?<![\w-])M\s?\.\s{_FULL}"
)

_ONLY_TITLE = re.compile(_TITLE, re.IGNORECASE)

_INTRODUCED = re.compile(rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'cues')})[:,]?\s{{1,4}}")
"""For lower-case text: on it the expression is three times as fast as with ``re.IGNORECASE``."""
_INTRODUCED_BEFORE = re.compile(
    rf"(?<![\w-])(?:{_TITLE}\s?\.?|(?:{alternatives(_SUBJECT, 'cues')})[:,]?)\s{{1,4}}$", re.IGNORECASE
)
_LONGEST_CUE = 60
_NAME_AFTER = re.compile(_FULL)
_STRONG = re.compile(alternatives(_SUBJECT, "sure"), re.IGNORECASE)
_LOWER_NAME = re.compile(r"[^\W\d_][\w'\u2019-]{1,20}(?: [^\W\d_][\w'\u2019-]{1,20})?")

NOT_NAMES: Final = frozenset(across(_SUBJECT, "not_names"))
"""Lower-case words that are no names, however they are introduced."""

_SINGLE: Final = re.compile(alternatives(_SUBJECT, "single"), re.IGNORECASE)
_CAPITAL_ONLY: Final = re.compile(alternatives(_SUBJECT, "capital"), re.IGNORECASE)


class IntroducedNameRecognizer:
    """Titles and introductions."""

    name = "introduced-name"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for match in _TITLED.finditer(view.text):
            lower = match.group()[0].islower()  # a lower-case title is not part of the entity
            start = match.start() + len(match.group().split(maxsplit=1)[0]) + 1 if lower else match.start()
            yield Entity("NAME", start, match.end(), 0.8, "titled-name")
        for cue in _INTRODUCED.finditer(view.keyed):
            yield from self._after(view, cue)

    def _after(self, view: TextView, cue: re.Match[str]) -> Iterator[Entity]:
        strong = bool(_STRONG.search(cue.group()))
        capital = _NAME_AFTER.match(view.text, cue.end())
        if capital:
            parts = capital.group().split()
            while parts and parts[-1].lower().strip(".'\u2019") in NOT_NAMES:
                parts.pop()
            if parts and parts[0].lower().split("'")[0].split("\u2019")[0] not in NOT_NAMES and not has_digit(parts[0]):
                if parts == ["I"]:
                    return
                weak_single = len(parts) == 1 and not strong and not _SINGLE.match(cue.group())
                end = cue.end() + len(" ".join(parts))
                if not weak_single and view.text[cue.end() : end] == " ".join(parts):
                    yield Entity("NAME", cue.end(), end, 0.65, self.name)
            return
        if strong and (lower := _LOWER_NAME.match(view.text, cue.end())):
            parts = lower.group().split()
            kept = parts[: next((i for i, p in enumerate(parts) if p.lower().split("'")[0] in NOT_NAMES), len(parts))]
            if kept and not _CAPITAL_ONLY.match(cue.group()):
                yield Entity("NAME", cue.end(), cue.end() + len(" ".join(kept)), 0.55, self.name)


INTRODUCED_NAME = IntroducedNameRecognizer()


def announcement_before(view: TextView, start: int) -> str:
    """The title, or the words that introduce a name, right before a word; empty if there is none."""
    before = _INTRODUCED_BEFORE.search(view.text[max(0, start - _LONGEST_CUE) : start])
    return before.group().strip(" .") if before else ""


def is_sure(announcement: str) -> bool:
    """Whether nothing but a name follows: "my name is", unlike "this is"."""
    return _STRONG.search(announcement) is not None


def is_title(announcement: str) -> bool:
    """Whether it is only a title: "mrs"."""
    return _ONLY_TITLE.fullmatch(announcement) is not None


def is_introduced(view: TextView, start: int) -> bool:
    """Whether a title stands right before a word, or words that introduce a name stand before one with a capital."""
    before = announcement_before(view, start)
    return bool(before) and (is_title(before) or view.text[start : start + 1].isupper())


_SURNAME = r"(?P<name>[^\W\d_][\w'\u2019-]{2,30})"
_LANGUAGES: Final = tuple(code for code in languages(_SUBJECT) if word_lists(code, _SUBJECT).get("particles"))


def _particled(language: str) -> str:
    """A title and the particles that may follow it in a language."""
    titles, particles = (
        "|".join(word_lists(language, _SUBJECT)[key]) for key in ("titles_before_particles", "particles")
    )
    return rf"(?:{titles})(?:\s?\.)?\s(?P<{language}>{particles})"


_PARTICLED = re.compile(rf"(?<![\w-])(?:{'|'.join(map(_particled, _LANGUAGES))})\s{_SURNAME}", re.IGNORECASE)
"""A title, particles as its language has them, and one word."""

_DETERMINER = re.compile(rf"(?<![^\W_])(?:{alternatives(_SUBJECT, 'determiners')})\s{{1,2}}$", re.IGNORECASE)
"""An article or a pronoun right before a title."""
_DETERMINER_CHARS = 10
_OTHER_TITLES = re.compile(rf"(?:{alternatives(_SUBJECT, 'titles_too')}) ", re.IGNORECASE)
"""Titles that are other words before "de": "faire don de sang", "maître de cérémonie"."""
_OFFICES: Final = frozenset(across(_SUBJECT, "offices"))
"""Nouns after "monsieur le" and "madame la" that are no names."""


class ParticledNameRecognizer:
    """Titles with particles after them."""

    name = "particled-name"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for match in _PARTICLED.finditer(view.text):
            word = match["name"].lower()
            if word in NOT_NAMES or word in _OFFICES or _is_described(view, match):
                continue
            start = max(match.start(language) for language in _LANGUAGES)  # the others did not match: -1
            yield Entity("NAME", start, match.end(), 0.7, self.name)


def _is_described(view: TextView, match: re.Match[str]) -> bool:
    """Whether a person is described by a job or a place: "die Frau von der Post"."""
    if not match["name"][0].isupper() and _OTHER_TITLES.match(match.group()):
        return True
    if not _DETERMINER.search(view.text, max(0, match.start() - _DETERMINER_CHARS), match.start()):
        return False
    return match["de"] is not None or not match["name"][0].isupper()


PARTICLED_NAME = ParticledNameRecognizer()
