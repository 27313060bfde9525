"""Reads redacted text by rules: the meter, the site, visitors, whether contact data was given.

Pure functions of text, in six languages. The fallback and the demo's scripted upstream use them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from server.flows.reading.spoken_marks import begins_decimals, is_beside_point, with_spoken_marks

TAG = re.compile(r"\[REDACTED_([A-Z]+(?:_[A-Z]+)*)(?:_(?:[0-9a-f]{4}(?:[0-9a-f]{4})?|[1-9]\d{0,3}))?\]")
"""Any tag, custom types included, with or without the hash or the number that a policy adds. A stored hash may have 4
digits.
"""

CONTACT_TAGS = frozenset({"EMAIL", "PHONE"})
NAME_TAGS = frozenset({"NAME"})
_WORDS_TO_A_TAG = 2
"""A text with no more other words to each tag may have lost what matters: "[REDACTED_ADDRESS] depot". A report that
names somebody has not."""

_NEAR_CHARACTERS = 60
"""Longest distance between a reading and the word that announces it: within a sentence, not across paragraphs."""

_DIGIT_WORDS: dict[str, str] = {
    word: str(digit)
    for language in (
        "zero|oh one two three four five six seven eight nine",
        "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "zéro un deux trois quatre cinq six sept huit neuf",
        "null eins zwei|zwo drei vier fünf sechs sieben acht neun",
        "शून्य एक दो तीन चार पांच|पाँच छह|छः सात आठ नौ",
        "zero um dois três quatro cinco seis|meia sete oito nove",
    )
    for digit, words in enumerate(language.split())
    for word in words.split("|")
}

_UNIT = re.compile(
    r"m3\b|m³|\bcubic|\bcúbicos|\bcubes\b|\bkubikmeter|\bcbm\b|घन|\bkwh\b|\bkilowatt|\bkilovatios|किलोवाट",
    re.IGNORECASE,
)
_READING = re.compile(
    r"\bread(?:s|ing)?\b|\bshows?\b|\blectura|\bmarca\b|\brelevé|\bindex\b|\bindique\b|\baffiche\b|stand\b|\bzeigt\b|"
    r"रीडिंग|\bleitura",
    re.IGNORECASE,
)
_METER = re.compile(
    r"\bmeter\b|\bmetre\b|\bcontador|\bmedidor|\bcompteur|zähler|मीटर|\bhidr[ôo]metro",
    re.IGNORECASE,
)
_DISPLAY = re.compile(r"\bdisplay\b|\banzeige\b|\bpantalla\b|\bafficheur\b|\bvisor\b|डिस्प्ले", re.IGNORECASE)
_NOT_A_READING = re.compile(
    r"(?:\bno\.?|\bnr\.?|\bnum\w*|\bn[º°]|\bserial|\bserie|\bsérie|\bq\d?|\bdn|#|\btype|\btyp|\bclass)\s*[:.]?\s*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.,:/*-])(?:"  # after asterisks it is the end of a masked value
    r"(?P<thousands>\d{1,3}(?P<mark>[.,' ])\d{3}(?:(?P=mark)\d{3})*)(?:(?!(?P=mark))[.,](?P<rest>\d+))?(?!\d)|"
    r"(?P<single>\d(?:(?:[ -]|, ?)\d){3,8}+)(?![.,]?\d)|"
    r"(?P<whole>\d{3,9})(?:[ .,](?P<decimals>\d{1,3}))?(?![\d:/])"
    r")"
)

_PROPER = r"((?:[^\W\d_a-zß-ÿ][\w'\u2019-]*)(?:[ -][^\W\d_a-zß-ÿ][\w'\u2019-]*){0,3})"
_SITES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:[Aa]t|[Ff]rom|[Ii]n|[Tt]o) (?:the )?{_PROPER} (?:site|plant|building|station|depot|office|works)\b",
        rf"\b[Ss]ite:? {_PROPER}",
        rf"\b(?:[Ss]itio|[Pp]lanta|[Oo]bra|[Ee]dificio|[Ee]staci[óo]n|[Cc]entro)(?: de(?:l| la)?)? {_PROPER}",
        rf"\b(?:[Ss]ite|[Uu]sine|[Bb]âtiment|[Cc]hantier)(?: de(?: la)?| du| d['\u2019])? ?{_PROPER}",
        rf"\b(?:Standort|Werk|Baustelle|Gebäude|Anlage) {_PROPER}",
        rf"\b(?:[Ll]ocal|[Oo]bra|[Ee]difício|[Pp]lanta|[Uu]nidade|[Ee]stação)(?: d[eoa])? {_PROPER}",
        r"([^\s,.।]+) (?:साइट|स्थल)",  # re does not count vowel signs as word characters
    )
)
_TIME = re.compile(r"(?<!\d)(?:[01]?\d|2[0-3])[:.][0-5]\d(?!\d)")


@dataclass(frozen=True, slots=True)
class ExtractedReading:
    """A meter reading as printed or said, with its unit (``m3``, ``kWh`` or empty); ``score`` ranks candidates."""

    value: str
    unit: str
    score: int


def meter_reading(text: str) -> ExtractedReading | None:
    """The most likely reading, or None when no number looks like one."""
    plain = with_spoken_marks(_with_digits(TAG.sub(lambda tag: " " * len(tag[0]), text)))
    best: ExtractedReading | None = None
    for number in _NUMBER.finditer(plain):
        candidate = _judged(plain, number)
        if candidate.score > 0 and (best is None or candidate.score > best.score):
            best = candidate
    return best


def is_mostly_redacted(text: str) -> bool:
    """Whether redaction hid so much of a short text that it may not say what it should."""
    rest, tags = TAG.subn(" ", text)
    return tags > 0 and len(rest.split()) <= _WORDS_TO_A_TAG * tags


def names_meter(text: str) -> bool:
    """Whether a text has a word for a meter or its display, or the unit of one."""
    return any(pattern.search(text) for pattern in (_METER, _DISPLAY, _UNIT))


def _judged(text: str, number: re.Match[str]) -> ExtractedReading:
    before = text[max(0, number.start() - _NEAR_CHARACTERS) : number.start()]
    after = text[number.end() : number.end() + _NEAR_CHARACTERS // 3]
    unit_after = _UNIT.search(after)
    score = 3 * bool(unit_after) + 2 * bool(_READING.search(before)) + bool(_METER.search(before))
    if _NOT_A_READING.search(before):
        score -= 4
    digits = number["thousands"] or number["single"] or number["whole"]
    decimals = number["rest"] or number["decimals"]
    value = re.sub(r"\D", "", digits) + (f".{decimals}" if decimals else "")
    if len(re.sub(r"\D", "", digits)) > 9 or is_beside_point(before, after):
        score = 0
    return ExtractedReading(value, _unit(unit_after[0] if unit_after else ""), score)


def unit_in(text: str) -> str:
    """The unit of a meter that a text names first: ``m3``, ``kWh`` or empty."""
    found = _UNIT.search(text)
    return _unit(found[0] if found else "")


def _unit(word: str) -> str:
    if not word:
        return ""
    return "kWh" if word.lower().startswith(("kwh", "kilo", "किलो")) else "m3"


def _with_digits(text: str) -> str:
    """Any script's digits as ASCII, and digit words as digits: runs of four or more (``four eight two one``), and those
    that follow a spoken point.
    """
    text = "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in unicodedata.normalize("NFC", text))
    out: list[str] = []
    run: list[str] = []
    spoken: list[str] = []
    for token in re.split(r"(\s+|[,.;:!?-]+)", text):
        digit = _DIGIT_WORDS.get(token.lower())
        if digit is not None:
            run.append(digit)
            spoken.append(token)
        elif run and (not token.strip() or token in (",", "-")):
            spoken.append(token)
        else:
            _end_run(out, run, spoken)
            out.append(token)
    _end_run(out, run, spoken)
    return "".join(out)


def _end_run(out: list[str], run: list[str], spoken: list[str]) -> None:
    tail = ""
    if len(run) >= 4 or (run and begins_decimals("".join(out))):
        while spoken and spoken[-1].lower() not in _DIGIT_WORDS:
            tail = spoken.pop() + tail
        out.append("".join(run) + tail)
    else:
        out.append("".join(spoken))
    run.clear()
    spoken.clear()


def site_name(text: str) -> str:
    """Name of the site, or empty."""
    for pattern in _SITES:
        found = pattern.search(text)
        if found:
            return found[1].strip(" .,")
    return ""


def tags_of(text: str, counts: Mapping[str, int]) -> Counter[str]:
    """Count of each entity type: the redactor's count or the number of tags, whichever is larger."""
    tags: Counter[str] = Counter(TAG.findall(text))
    for tag, count in counts.items():
        tags[tag] = max(tags[tag], count)
    return tags


def visitor_count(text: str, counts: Mapping[str, int]) -> int:
    """Rows of a visitor register.

    Each row has a time, a phone number, an email address and a name. OCR may lose one of them, and a name may be found
    in two parts. So the count on which most columns agree wins; if all differ, the largest.
    """
    tags = tags_of(text, counts)
    columns = [
        len(_TIME.findall(text)),
        tags["PHONE"],
        tags["EMAIL"],
        tags["NAME"],
    ]
    votes = Counter(number for number in columns if number)
    return max(votes, key=lambda number: (votes[number], number), default=0)
