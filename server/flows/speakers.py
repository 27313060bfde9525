"""Whose a personal value is by the words before it: the speaker's own, another person's, or it cannot be told.

The introductions are the lexicons of the redactor: "my name is", "you can reach me at". They hold those of other
people, too ("his number is"), so the person that is named last before the value decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from models.redaction.lexicons.loader import word_lists
from models.redaction.normalize.view import original
from models.redaction.normalize.words import MARKS
from models.redaction.slots.announcements import SUBJECT, announcements_of
from server.flows.extraction import TAG
from server.flows.texts import base_language

_SPEAKER: Final = {
    "en": "i|i'm|me|my|mine|myself|we|us|our|ours",
    "de": "ich|mich|mir|meine?[rmns]?|wir|uns|unsere?[rmns]?",
    "es": "yo|me|mi|mis|mí|conmigo|soy|somos|nos|nuestr[oa]s?|(?:llám|contáct|escríb)[ae]n?me|"
    "(?:llamar|localizar|contactar)me",
    "fr": "je|j'(?=\\w)|me|m'(?=\\w)|moi|mon|ma|mes|nous|notre|nos|suis",
    "pt": "eu|me|mim|meu|minha|meus|minhas|comigo|sou|somos|nos|nosso|nossa",
    "it": "io|mi|mio|mia|miei|mie|sono|siamo|noi|nostr[oa]",
    "hi": "मैं|मैंने|मुझे|मुझको|मेरा|मेरी|मेरे|हम|हमें|हमारा|हमारी|हमारे|main|mujhe|mera|meri|mere|hamara|hamari",
}
"""The first person."""

_THIRD: Final = {
    "en": "he|he's|him|his|she|she's|her|hers|they|they're|them|their|theirs|whose",
    "de": "er|ihn|ihm|seine?[rmns]?|sie|ihr|ihre[rmns]?|ihnen|deren|dessen",
    "es": "él|ella|ellos|ellas|su|sus|suy[oa]",
    "fr": "il|elle|ils|elles|lui|leur|leurs|son|sa|ses",
    "pt": "ele|ela|eles|elas|dele|dela|deles|delas|seu|sua|seus|suas|lhe",
    "it": "lui|lei|loro|suo|sua|suoi|sue|gli",
    "hi": "वह|वो|उस|उसका|उसकी|उसके|उसे|उनका|उनकी|उनके|उन्हें|इसका|इसकी|इनका|woh|uska|uski|uske|unka|unki|unke",
}
"""The third person. The forms that address somebody politely, too: they are rarely the last before an own value."""

_LISTENER: Final = {
    "en": "you|your|yours",
    "de": "sie|ihr|ihre[rmns]?|ihnen|du|dich|dir|deine?[rmns]?",
    "es": "usted|ustedes|su|sus|tu|tus|te|le|se",
    "fr": "vous|votre|vos|tu|ton|ta|tes|te|toi",
    "pt": "você|vocês|seu|sua|te|tu|teu|tua|se",
    "it": "lei|suo|sua|tu|tuo|tua|ti|si|la",
    "hi": "आप|आपका|आपकी|आपके|आपको|आपसे|तुम|तुम्हारा|तुम्हारी",
}
"""Whom a question addresses."""

_SENTENCE_END: Final = re.compile(r"[.!?;\n।](?:\s|$)")
_CLAUSE_END: Final = re.compile(r"[.!?;,:\n।\u2013\u2014](?:\s|$)")
_MOST_BETWEEN: Final = 2
"""Words between an introduction or a label and its value: "my number is, let me, 415 ..."."""


class ValueOwner(Enum):
    """Whom the words before a value name last."""

    OWN = auto()
    """The speaker, in an introduction."""
    OTHER = auto()
    """Somebody else."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class TaggedValue:
    """A tag in a text.

    Attributes:
        entity: Its type.
        start: Its first character in the text.
        written: The tag with its number, which tells two values apart.
        whose: Where the words before it in its sentence tell.
        others: Whether its own clause names somebody else right before it, or after it as its owner.
        repairs: Whether nothing but a correction stands between it and a value before it.
        before: What stands before it, without tags.
    """

    entity: str
    start: int
    written: str
    whose: ValueOwner
    others: bool
    repairs: bool
    before: str

    def has_label(self, label: str, language: str) -> bool:
        """Whether the label of a field introduces the value, and nobody else is named before it in the text."""
        words = re.escape(label.strip().lower())
        found = list(re.finditer(rf"(?<!\w){words}(?!\w)", self.before)) if words else []
        if not found or not _is_near(self.before[found[-1].end() :], language):
            return False
        rest = self.before[: found[-1].start()] + self.before[found[-1].end() :]
        return not list(_others_in(rest, base_language(language)))


def tagged_values(text: str, language: str) -> list[TaggedValue]:
    """The values of a redacted text in order.

    Args:
        text: With tags.
        language: ISO 639-1 code. Of one that has no words here only English introductions are known.
    """
    found: list[TaggedValue] = []
    plain = TAG.sub(lambda tag: "\ufffc" * len(tag[0]), text).lower().replace("\u2019", "'")
    code = base_language(language)
    end = 0
    for tag in TAG.finditer(text):
        before, after = plain[: tag.start()], plain[tag.end() :]
        last = found[-1] if found else None
        repairs = last is not None and _is_repair(plain[end : tag.start()], language)
        follows = last is not None and _joins(plain[end : tag.start()])
        if last is not None and (repairs or (follows and last.entity != tag[1])):
            whose, others = last.whose, last.others
        else:
            whose, others = _whose(_last(before, _SENTENCE_END), after, code), _names_other(before, after, code)
        found.append(TaggedValue(tag[1], tag.start(), tag[0], whose, others, repairs, before.replace("\ufffc", " ")))
        end = tag.end()
    return found


def speaks_of_listener(question: str, language: str) -> bool:
    """Whether a question is about whoever answers it: "What is your name?", not "What is the name of his doctor?"."""
    code, text = base_language(language), question.lower()
    return _any(_LISTENER, code).search(text) is not None and not list(_people(code, text))


def _whose(sentence: str, after: str, code: str) -> ValueOwner:
    if _owner_follows(after, code):
        return ValueOwner.OTHER
    sentence = _without_title(sentence, code)
    introduction = _introduction(sentence, code)
    start = len(sentence) if introduction is None else introduction[0]
    here = [] if introduction is None else [introduction[1]]
    # Words for people count only outside an introduction: "called" is one of them, and "I am called" is an own one.
    named = [(at, ValueOwner.OTHER) for at in _others_in(sentence[:start], code)]
    named += [(at, ValueOwner.OWN) for at in _starts(_any(_SPEAKER, code), sentence[:start])]
    last = max(named, default=(0, ValueOwner.UNKNOWN), key=lambda each: each[0])[1]
    if not here:
        return ValueOwner.OTHER if last is ValueOwner.OTHER else ValueOwner.UNKNOWN
    return last if here[0] is ValueOwner.UNKNOWN else here[0]


def _names_other(before: str, after: str, code: str) -> bool:
    """Whether the clause of a value names somebody else last before it, or the value is an owner: "Anna's mother"."""
    if _owner_follows(after, code):
        return True
    clause = _without_title(_last(_last(before, _CLAUSE_END), re.compile("\ufffc")), code)
    introduction = _introduction(clause, code)
    if introduction is not None and introduction[1] is ValueOwner.OWN:
        return False
    others, own = list(_others_in(clause, code)), _starts(_any(_SPEAKER, code), clause)
    return bool(others) and max(others) > max(own, default=-1)


def _introduction(sentence: str, code: str) -> tuple[int, ValueOwner] | None:
    """Where the words start that introduce a value at the end of a sentence, and whom they name themselves."""
    found = [span for span in _introductions(sentence, code) if _is_near(sentence[span[1] :], code)]
    if not found:
        return None
    # The last one counts: in "this is my number:" the words "this is" introduce the number, too.
    start, end, by_owner = min(found, key=lambda span: (-span[1], span[0]))
    words = sentence[start:end]
    own, third = _starts(_any(_SPEAKER, code), words), _starts(_any(_THIRD, code), words)
    if by_owner and (_people(code, words) or _of_owners(code).search(words)):
        return start, ValueOwner.OTHER  # "the number of my sister is"
    if not own and not third:
        return start, ValueOwner.UNKNOWN
    return start, ValueOwner.OWN if max(own, default=-1) > max(third, default=-1) else ValueOwner.OTHER


def _introductions(sentence: str, code: str) -> Iterator[tuple[int, int, bool]]:
    """Where they are, and whether the words for an owner are in them: "my number is", and not "I am called"."""
    view, lists = original(sentence), announcements_of(code)
    for each in lists.of(view):
        if not each.back and (each.told or _any(_SPEAKER, code).search(sentence[each.start : each.end])):
            yield each.start, each.end, True
    for pattern, needs_speaker in _cues(code):
        for match in pattern.finditer(sentence):
            if not needs_speaker or _any(_SPEAKER, code).search(match[0]):
                yield *match.span(), False


def _is_near(words: str, code: str) -> bool:
    """Whether hardly anything stands between an introduction and its value, and nobody is named there."""
    between = re.findall(r"[^\W\d_]+", announcements_of(code).hesitation.sub(" ", words))
    named = list(_others_in(words, base_language(code)))
    return "\ufffc" not in words and not named and len(between) <= _MOST_BETWEEN and not _SENTENCE_END.search(words)


def _is_repair(words: str, language: str) -> bool:
    """Whether words between two values say that the second is meant: "no wait". A list has none: ", "."""
    rest = re.sub(r"[\W_]+", " ", announcements_of(language).hesitation.sub(" ", words)).strip()
    return not rest and re.search(r"\w", words) is not None


def _joins(words: str) -> bool:
    """Whether a value stands right beside the one before it: "I am Anna, 415 ..."."""
    return not re.search(r"\w", words)


def _owner_follows(after: str, code: str) -> bool:
    return re.match(rf"(?:'s\b|\s(?:{'|'.join(_people_words(code)) or '(?!)'})(?!\w))", after) is not None


def _others_in(text: str, code: str) -> Iterator[int]:
    yield from _starts(_any(_THIRD, code), text)
    yield from _people(code, text)


def _people(code: str, text: str) -> list[int]:
    """Where words for other people start. The lists have "I am", too, which names nobody else."""
    speaker = _any(_SPEAKER, code)
    return [each.start() for each in _pattern(_people_words(code)).finditer(text) if not speaker.search(each[0])]


def _people_words(code: str) -> tuple[str, ...]:
    return tuple((word_lists(code, "introductions") or word_lists("en", "introductions")).get("people", ()))


def _without_title(clause: str, code: str) -> str:
    """The clause without a title right before the value: "Frau" is a title, and "meine Frau" is somebody else."""
    title = _pattern(word_lists(code, "introductions").get("titles", ()))
    found = [each for each in title.finditer(clause) if not re.search(r"\w", clause[each.end() :])]
    before = clause[: found[-1].start()].split() if found else []
    owned = bool(before) and (_any(_SPEAKER, code).fullmatch(before[-1]) or _any(_THIRD, code).fullmatch(before[-1]))
    return clause[: found[-1].start()] if found and not owned else clause


def _last(text: str, boundary: re.Pattern[str]) -> str:
    """What follows the last boundary."""
    ends = [each.end() for each in boundary.finditer(text)]
    return text[ends[-1] :] if ends else text


def _starts(pattern: re.Pattern[str], text: str) -> list[int]:
    return [each.start() for each in pattern.finditer(text)]


@lru_cache(maxsize=16)
def _of_owners(code: str) -> re.Pattern[str]:
    """Before what belongs to whoever owns the value: "of my"."""
    links = "|".join(word_lists(code, SUBJECT).get("links", ()))
    return re.compile(rf"\b(?:{links}) (?:{announcements_of(code).owner.pattern})(?!\w)" if links else r"(?!)")


@lru_cache(maxsize=64)
def _cues(code: str) -> tuple[tuple[re.Pattern[str], bool], ...]:
    """Introductions of names, each with whether it counts only where it names the speaker."""
    names = [*word_lists(code, "introductions").get("cues", ()), *word_lists(code, SUBJECT).get("names", ())]
    people = _people_words(code)
    return tuple((_pattern((each,)), needs) for entries, needs in ((names, False), (people, True)) for each in entries)


def _any(lists: dict[str, str], code: str) -> re.Pattern[str]:
    return _pattern((lists.get(code, lists["en"]),))


@lru_cache(maxsize=512)
def _pattern(entries: Iterable[str]) -> re.Pattern[str]:
    known = "|".join(entries)
    edge = rf"[\w{MARKS}]"
    return re.compile(rf"(?<!{edge})(?:{known})(?!{edge})" if known else r"(?!)", re.IGNORECASE)
