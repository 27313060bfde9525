"""Names after a title or an introduction, without the classifier.

Must NOT match: "I am at the site", "this is about my bill", "under the table", "Dr." without a name, weekdays and
months.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.lexicons.loader import alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.types import RedactionContext
from models.text import Entity

_CAPITAL = r"[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪİĶŁŃŇŌŐŒŘŚŞŠŢŤŪŮŰŹŻŽΑ-ΩА-Я]"
_PART = rf"(?:{_CAPITAL}[\w'\u2019-]{{1,30}}|{_CAPITAL}\s?\.|{_CAPITAL}(?!\w))"
_PARTICLE = r"(?:van|von|de|der|den|del|della|di|da|dos|do|la|le|los|las|bin|ibn|al|el|ben|zu|ter|ten|af|av)"
_FULL = rf"{_PART}(?:[ -](?:{_PARTICLE} ){{0,2}}{_PART}){{0,4}}"

_TITLE = f"(?:{alternatives('introductions', 'titles')})"
_TITLED = re.compile(
    rf"(?<![\w-]){_TITLE}(?:\s?\.)?\s{_FULL}(?:\s(?:{_PARTICLE}\s)?{_CAPITAL}\s?\.(?=\s[a-zà-ÿ,;]))?"
    rf"|(?<![\w-])M\s?\.\s{_FULL}"
)

_INTRODUCED = re.compile(rf"(?<![^\W_])(?:{alternatives('introductions', 'cues')})[:,]?\s{{1,4}}", re.IGNORECASE)
_NAME_AFTER = re.compile(_FULL)
_STRONG = re.compile(alternatives("introductions", "sure"), re.IGNORECASE)
_LOWER_NAME = re.compile(r"[^\W\d_][\w'\u2019-]{1,20}(?: [^\W\d_][\w'\u2019-]{1,20})?")

NOT_NAMES = frozenset(
    """monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december the a an i in on at to of for from by with and or but so not no yes ok okay hi hello
    dear thanks thank please sorry sure just now here there this that these those my your our his her its their it
    is was are am be been do does did have has had will would can could should may might must who what when where
    why how spring summer autumn winter today tomorrow tonight yesterday morning afternoon evening night bye goodbye
    customer service team madam sir all everyone everybody english spanish french german american british indian
    street road avenue city hospital clinic bank hotel restaurant company christmas easter sending calling going
    looking trying having getting making reading wondering interested happy glad afraid about if me you we they he
    she going one two three four five six seven eight nine ten more any some only also very really still party
    people person reservation booking table dinner lunch breakfast name number email address phone like need want
    let new old good great fine well correct right wrong because as up down out off over then than howdy adios hola
    hey cheers ciao yep yeah nope feb apr jul aug sep sept oct nov dec im ive wanna gonna gotta meter metre zähler
    contador compteur otp cvv cvc""".split()
)
"""Lower-case words that are no names, however they are introduced."""


class IntroducedNameRecognizer:
    """Titles and introductions."""

    name = "introduced-name"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for match in _TITLED.finditer(view.text):
            lower = match.group()[0].islower()  # a lower-case title is not part of the entity
            start = match.start() + len(match.group().split(maxsplit=1)[0]) + 1 if lower else match.start()
            yield Entity("NAME", start, match.end(), 0.8, "titled-name")
        for cue in _INTRODUCED.finditer(view.text):
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
                weak_single = (
                    len(parts) == 1 and not strong and not cue.group().lower().startswith(("under", "book", "reserv"))
                )
                end = cue.end() + len(" ".join(parts))
                if not weak_single and view.text[cue.end() : end] == " ".join(parts):
                    yield Entity("NAME", cue.end(), end, 0.65, self.name)
            return
        if strong and (lower := _LOWER_NAME.match(view.text, cue.end())):
            parts = lower.group().split()
            kept = parts[: next((i for i, p in enumerate(parts) if p.lower().split("'")[0] in NOT_NAMES), len(parts))]
            if kept and not cue.group().lower().startswith(("names of", "name of the")):
                yield Entity("NAME", cue.end(), cue.end() + len(" ".join(kept)), 0.55, self.name)


INTRODUCED_NAME = IntroducedNameRecognizer()
