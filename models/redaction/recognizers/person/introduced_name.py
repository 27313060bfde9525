"""Names after a title or an introduction, without the classifier.

Particles after a title begin a surname: "frau von der leyen", "Monsieur de la Fontaine". Must NOT match: "I am at the
site", "this is about my bill", "under the table", "Dr." without a name, weekdays and months; descriptions ("die frau
von der kasse"), which have an article before the title; offices ("madame la directrice").
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

_ONLY_TITLE = re.compile(_TITLE, re.IGNORECASE)

_INTRODUCED = re.compile(rf"(?<![^\W_])(?:{alternatives('introductions', 'cues')})[:,]?\s{{1,4}}")
"""For lower-case text: on it the expression is three times as fast as with ``re.IGNORECASE``."""
_INTRODUCED_BEFORE = re.compile(
    rf"(?<![\w-])(?:{_TITLE}\s?\.?|(?:{alternatives('introductions', 'cues')})[:,]?)\s{{1,4}}$", re.IGNORECASE
)
_LONGEST_CUE = 60
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
                weak_single = len(parts) == 1 and not strong and not cue.group().startswith(("under", "book", "reserv"))
                end = cue.end() + len(" ".join(parts))
                if not weak_single and view.text[cue.end() : end] == " ".join(parts):
                    yield Entity("NAME", cue.end(), end, 0.65, self.name)
            return
        if strong and (lower := _LOWER_NAME.match(view.text, cue.end())):
            parts = lower.group().split()
            kept = parts[: next((i for i, p in enumerate(parts) if p.lower().split("'")[0] in NOT_NAMES), len(parts))]
            if kept and not cue.group().startswith(("names of", "name of the")):
                yield Entity("NAME", cue.end(), cue.end() + len(" ".join(kept)), 0.55, self.name)


INTRODUCED_NAME = IntroducedNameRecognizer()


def is_introduced(view: TextView, start: int) -> bool:
    """Whether a title stands right before a word, or words that introduce a name stand before one with a capital."""
    before = _INTRODUCED_BEFORE.search(view.text[max(0, start - _LONGEST_CUE) : start])
    if before is None:
        return False
    return _ONLY_TITLE.fullmatch(before.group().strip(" .")) is not None or view.text[start : start + 1].isupper()


_DUTCH = r"(?:van|von)(?:\s(?:der|den|dem|de|het|t))?"
_ROMANCE = r"de(?:l|lla|gli|i)?(?:\s(?:la|los|las|le))?|di|da|dal|dos|das|du|des"
_ARABIC = r"al|el|bin|ibn|ben"
_SURNAME = r"(?P<name>[^\W\d_][\w'\u2019-]{2,30})"

_PARTICLED = re.compile(
    r"(?<![\w-])(?:"
    rf"(?:mr|mrs|ms|dr|prof|professor)(?:\s?\.)?\s(?P<english>{_DUTCH}|{_ROMANCE}|{_ARABIC}|la|le|st|ter|ten)"
    rf"|(?:herrn?|frau|familie)\s(?:(?:dr|prof)(?:\s?\.)?\s){{0,2}}(?P<german>{_DUTCH}|{_ROMANCE}|{_ARABIC}|zu)"
    rf"|(?:monsieur|madame|mademoiselle|mme|mlle|maître)(?:\s?\.)?\s(?P<french>{_ROMANCE}|{_ARABIC}|le|la|van|von)"
    rf"|(?:señor(?:a|ita)?|don|doña|sra?|srta|dña)(?:\s?\.)?\s(?P<spanish>{_ROMANCE}|van|von)"
    rf"|(?:signor[aei]?|senhora?|dona)\s(?P<others>{_ROMANCE}|do|lo|la|li)"
    rf")\s{_SURNAME}",
    re.IGNORECASE,
)
"""A title, particles as its language has them, and one word."""
_LANGUAGES = ("english", "german", "french", "spanish", "others")

_DETERMINER = re.compile(
    r"(?<![^\W_])(?:d(?:er|ie|as|en|em|es)|(?:k?ein|mein|dein|sein|ihr|unser|euer|dies|jen|jed)(?:e[rsnm]?)?|the|that|this"
    r"|l[ae]s?|une?|ce(?:tte)?|cet|m(?:on|a)|s(?:on|a)|el|una?|los|esa|ese|esta|este|mi|su|o|os|um|uma|il|una)\s{1,2}$",
    re.IGNORECASE,
)
"""An article or a pronoun right before a title."""
_DETERMINER_CHARS = 10
_WORDS_TOO = ("don ", "maître ")
"""Titles that are other words before "de": "faire don de sang", "maître de cérémonie"."""

_OFFICES = frozenset(
    """président présidente directeur directrice maire ministre juge professeur professeure commissaire procureur
    procureure docteur docteure curé député députée sénateur sénatrice consul ambassadeur ambassadrice proviseur doyen
    doyenne préfet préfète greffier greffière rapporteur chef cheffe responsable gardien gardienne concierge
    propriétaire comte comtesse marquis marquise baron baronne conseiller conseillère secrétaire principal
    principale""".split()
)
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
    if not match["name"][0].isupper() and match.group().lower().startswith(_WORDS_TOO):
        return True
    if not _DETERMINER.search(view.text, max(0, match.start() - _DETERMINER_CHARS), match.start()):
        return False
    return match["german"] is not None or not match["name"][0].isupper()


PARTICLED_NAME = ParticledNameRecognizer()
