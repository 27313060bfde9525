"""The normal form of what was said: digits as digits, addresses as addresses, spelled words as words.

"double five five oh one" reads ``55501``, "john dot carter at example dot com" reads ``john.carter@example.com``. Only such
stretches change; everything else is copied. Every character knows what it stands for, so spans map back exactly.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from models.redaction.ner import WORD
from models.redaction.spoken_lexicon import (
    FUNCTION_WORDS,
    HOMOPHONES,
    PHONETIC,
    SHORT_WORDS,
    SERVICES,
    TOP_LEVEL,
    Lexicon,
    lexicon_for,
)
from models.redaction.views import View, ViewBuilder

_TOKEN = re.compile(rf"[AaPp]\.\s?[Mm](?![^\W_])\.?|{WORD.pattern}|[^\w\s]|_")
_MIN_DIGITS = 3
"""Shorter runs ("table for four") are left as words."""

_MIN_WRITTEN_DIGITS = 7
"""Where all digits were written as such, only what is long enough for a number of someone is put together."""

_MAX_LOCAL_WORDS = 3
_MAX_DOMAIN_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Token:
    """One word or one punctuation mark.

    Attributes:
        start: First code point in the text.
        end: One past the last.
        text: Lower case, NFC.
        shape: The characters as they stand.
    """

    start: int
    end: int
    text: str
    shape: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens [first, last) that read as ``form``; kind is ``address``, ``digits`` or ``spelled``."""

    first: int
    last: int
    form: str
    kind: str


def tokens_of(text: str) -> list[Token]:
    """Words and marks, in order."""
    found = []
    for match in _TOKEN.finditer(text):
        shape = match.group()
        found.append(Token(match.start(), match.end(), unicodedata.normalize("NFC", shape).lower(), shape))
    return found


def spoken_view(text: str, language: str) -> View | None:
    """The normal form, or None where nothing changes."""
    tokens = tokens_of(text)
    stretches = Reader(tokens, lexicon_for(language)).stretches()
    if not stretches:
        return None
    builder, at = ViewBuilder(), 0
    spelled: list[tuple[int, int]] = []
    for stretch in stretches:
        start, end = tokens[stretch.first].start, tokens[stretch.last - 1].end
        builder.copy(text, at, start)
        if stretch.kind == "spelled":
            spelled.append((builder.length, builder.length + len(stretch.form)))
        builder.put(stretch.form, start, end)
        at = end
    builder.copy(text, at, len(text))
    return builder.build("spoken", tuple(spelled))


class Reader:
    """Reads tokens from left to right and collects what has a normal form."""

    def __init__(self, tokens: list[Token], lexicon: Lexicon) -> None:
        self._tokens = tokens
        self._lexicon = lexicon

    def stretches(self) -> list[Stretch]:
        """All stretches, in order, not overlapping; addresses win over digits, digits over spelling."""
        taken: list[Stretch] = []
        free = 0
        for index, token in enumerate(self._tokens):
            if index >= free and self._sign(token) == "@" and (address := self._address(index, free)):
                taken.append(address)
                free = address.last
        gaps = zip([0, *(s.last for s in taken)], [*(s.first for s in taken), len(self._tokens)], strict=True)
        others = [stretch for low, high in gaps for stretch in self._between(low, high)]
        return sorted(taken + others, key=lambda s: s.first)

    # -- what one token is ------------------------------------------------------------------------------------------

    def _sign(self, token: Token) -> str:
        if token.text in ("@", ".", "-", "_", "/", "+", ":"):
            return token.text
        return self._lexicon.signs.get(token.text, "")

    def _digits(self, token: Token) -> str:
        if token.text.isdigit():
            return token.text
        return "0" if token.text == "o" else self._lexicon.numbers.get(token.text, "")

    def _letter(self, token: Token) -> str:
        if len(token.text) == 1 and token.text.isalpha():
            return self._lexicon.letters.get(token.text, token.text)
        return self._lexicon.letters.get(token.text, "")

    def _atom(self, token: Token) -> str:
        """A digit or a letter that is said on its own."""
        return self._letter(token) or self._digits(token)

    # -- addresses --------------------------------------------------------------------------------------------------

    def _address(self, at: int, floor: int) -> Stretch | None:
        domain, last = self._domain(at + 1)
        if not domain:
            return self._handle(at)
        first, local = self._local(at, floor)
        if not local:
            return self._handle(at)
        return Stretch(first, last, f"{local}@{domain}", "address")

    def _handle(self, at: int) -> Stretch | None:
        """A sign followed by a spelled name, "at j e n s e n"."""
        last, form = at + 1, ""
        while last < len(self._tokens) and (atom := self._atom(self._tokens[last]) or self._named(last)):
            form += atom
            last += 1
        if last < len(self._tokens) and self._sign(self._tokens[last]) == "@":
            return None  # "write to me at a b c at ...": the next sign is the real one
        unambiguous = self._tokens[at].text != "at"
        letters = sum(bool(self._letter(t)) for t in self._tokens[at + 1 : last])
        if letters >= 3 or (unambiguous and len(form) >= 3):
            return Stretch(at, last, f"x@{form}.com", "address")
        return None

    def _named(self, index: int) -> str:
        return "." if self._sign(self._tokens[index]) == "." and index + 1 < len(self._tokens) else ""

    def _domain(self, first: int) -> tuple[str, int]:
        """Host name from ``first`` on, and where it ends; empty when there is none."""
        limit = min(len(self._tokens), first + _MAX_DOMAIN_TOKENS)
        parts, at = [""], first
        words_in_part = 0
        while at < limit:
            token = self._tokens[at]
            sign = self._sign(token)
            if sign in (".", "-") and parts[-1] and token.text != ".":
                parts = [*parts, ""] if sign == "." else [*parts[:-1], parts[-1] + "-"]
                words_in_part = 0
            elif token.text == "." and parts[-1] and at + 1 < limit and self._tokens[at + 1].start == token.end:
                parts.append("")
                words_in_part = 0
            elif piece := self._atom(token):
                if words_in_part and parts[-1] and len(parts) > 1 and parts[-1] in TOP_LEVEL:
                    break
                parts[-1] += piece
            elif token.text.isalnum() or WORD.fullmatch(token.text):
                full = len(parts) > 1 and parts[-1]
                function_word = token.text in FUNCTION_WORDS and token.text not in TOP_LEVEL
                if full or words_in_part >= 2 or (function_word and not (token.text == "mail" and parts[-1])):
                    break
                parts[-1] += token.text
                words_in_part += 1
            else:
                break
            at += 1
        named = [p for p in parts if p]
        while at > first and self._sign(self._tokens[at - 1]) in (".", "-"):
            at -= 1
        if len(named) >= 2 or (named and any(named[0].startswith(s) for s in SERVICES)):
            return self._with_path(_ascii(named), at)
        return "", first

    def _with_path(self, domain: str, at: int) -> tuple[str, int]:
        """Take "slash ..." in as well."""
        while at + 1 < len(self._tokens) and self._sign(self._tokens[at]) in ("/", "-", "_"):
            following = at + 1
            while following < len(self._tokens) and self._atom(self._tokens[following]):
                following += 1
            at = following if following > at + 1 else at + 2
        return domain, at

    def _local(self, at: int, floor: int) -> tuple[int, str]:
        """The part before the sign, walking left from it."""
        first, form, words = at, "", 0
        while first > floor:
            token = self._tokens[first - 1]
            sign = self._sign(token)
            if sign in (".", "-", "_") and form and not (token.text == "." and self._tokens[first].start > token.end):
                form = sign + form
                words = 0
            elif (atom := self._atom(token)) and not (
                token.text in ("a", "i") and self._starts_sentence(first - 1, floor)
            ):
                form = atom + form
            elif token.text in self._lexicon.repeats and form:
                form = form[:1] + form
            elif WORD.fullmatch(token.text) and token.text not in FUNCTION_WORDS and words < _MAX_LOCAL_WORDS:
                form = token.text + form
                words += 1
            else:
                break
            first -= 1
        form = form.lstrip(".-_")
        return first, _ascii([form]) if form else ""

    def _starts_sentence(self, index: int, floor: int) -> bool:
        """Whether "a" or "i" is the article or the pronoun: nothing spelled before it and a word behind."""
        following = self._tokens[index + 1]
        return not self._atom(following) and not self._sign(following) and index > floor

    # -- digits and letters -----------------------------------------------------------------------------------------

    def _between(self, low: int, high: int) -> list[Stretch]:
        found: list[Stretch] = []
        at = low
        while at < high:
            stretch = self._number(at, high) or self._spelled(at, high)
            if stretch is None:
                at += 1
            else:
                found.append(stretch)
                at = stretch.last
        return found

    def _number(self, first: int, high: int) -> Stretch | None:
        """A run of numbers that were said one after the other."""
        form, at, end, said = "", first, first, 0
        while at < high:
            token = self._tokens[at]
            times = self._lexicon.repeats.get(token.text, 0)
            if times and at + 1 < high and len(repeated := self._digits(self._tokens[at + 1])) == 1:
                form += repeated * times
                at += 2
                end, said = at, said + 2
            elif digits := self._digits(token):
                if at == first and token.text in HOMOPHONES and token.text not in ("oh", "o", "ek"):
                    return None
                form = _compose(form, digits) if not token.text.isdigit() else form + digits
                said += not token.text.isdigit()
                at += 1
                end = (
                    at if token.text not in HOMOPHONES or token.text in ("oh", "o", "do", "char", "ek", "che") else end
                )
            elif token.text in self._lexicon.scales and form:
                form += "0" * self._lexicon.scales[token.text]
                at += 1
                end = at
            elif self._joins(at, high, bool(form)):
                sign = "" if self._hyphenated(at) else self._sign(token)
                form += sign if sign in (".", "-", "+", "/") else " " if token.text in ",;()" else ""
                at += 1
            else:
                break
        form = form.rstrip(" .-/")
        count = sum(c.isdigit() for c in form)
        if count < (_MIN_DIGITS if said else _MIN_WRITTEN_DIGITS) or (not said and self._are_years(first, end)):
            return None
        return Stretch(first, end, form, "digits")

    def _hyphenated(self, at: int) -> bool:
        """Whether a hyphen stands inside one number word, "trente-deux", "twenty-five"."""
        before, token, after = self._tokens[at - 1 : at + 2] if at else self._tokens[:3]
        return token.text == "-" and before.end == token.start and token.end == after.start and before.text.isalpha()

    def _are_years(self, first: int, end: int) -> bool:
        """Whether written numbers are a list of years."""
        written = [t.text for t in self._tokens[first:end] if t.text.isdigit()]
        return all(len(w) == 4 and w[:2] in ("19", "20") for w in written)

    def _joins(self, at: int, high: int, begun: bool) -> bool:
        """Whether the token may stand inside a run of numbers (or, for plus and brackets, open one)."""
        token = self._tokens[at]
        if at + 1 >= high:
            return False
        following = self._tokens[at + 1]
        continues = bool(self._digits(following)) or following.text in self._lexicon.repeats
        if not begun:
            return continues and (self._sign(token) == "+" or token.text == "(")
        if token.text == "," and following.start == token.end:
            return False  # thousands: 10,000,000
        if token.text in ",;()-/.":
            return continues or (
                at + 2 < high and following.text in "()-," and bool(self._digits(self._tokens[at + 2]))
            )
        return continues and (token.text in self._lexicon.joiners or self._sign(token) in (".", "-", "/"))

    def _spelled(self, first: int, high: int) -> Stretch | None:
        """A run of single letters, short pieces of letters and alphabet words, digits among them allowed."""
        form, at, singles, phonetic, pieces = "", first, 0, 0, 0
        last = first
        while at < high:
            token = self._tokens[at]
            named = self._as_in(at, high)
            if named:
                form, at = form + named[0], named[1]
                singles += 1
                phonetic += 1
                last = at
                continue
            if letter := self._letter(token):
                form += letter
                singles += 1
            elif token.text in PHONETIC:
                form += PHONETIC[token.text]
                phonetic += 1
            elif digits := (self._digits(token) if token.text not in ("for", "too") else ""):
                form += digits
            elif self._is_piece(token, at > first):
                form += token.text
                pieces += 1
            elif form and token.text in ("-", ",", ".", "space", "dash", "double", "capital") and at + 1 < high:
                at += 1
                continue
            else:
                break
            at += 1
            last = at
        letters = sum(c.isalpha() for c in form)
        count = last - first
        if (
            letters >= 1
            and count >= 3
            and (singles + phonetic + pieces >= 2)
            and len(form) >= 3
            and not self._ordinary(first, last)
        ):
            return Stretch(first, last, form, "spelled")
        return None

    def _as_in(self, at: int, high: int) -> tuple[str, int] | None:
        """ "P as in Peter", "T for Tommy", "B like boy": the letter and where it ends."""
        letter = self._letter(self._tokens[at])
        for link in (("as", "in"), ("for",), ("like",), ("wie",), ("comme",), ("de",), ("से",)):
            end = at + 1 + len(link)
            if letter and end < high and tuple(t.text for t in self._tokens[at + 1 : end]) == link:
                word = self._tokens[end].text
                if word.startswith(letter) and len(word) > 1:
                    return letter, end + 1
        return None

    def _is_piece(self, token: Token, inside: bool) -> bool:
        """Letters that recognition glued together: "VI", "5j", "QG"."""
        if not inside and not (token.shape.isupper() or any(c.isdigit() for c in token.text)):
            return False
        if not token.shape.isascii() or not token.shape.isalnum():
            return False
        mixed = any(c.isdigit() for c in token.text) and len(token.text) <= 4
        return (
            mixed
            or (token.shape.isupper() and len(token.text) <= 3)
            or (len(token.text) == 2 and token.text not in SHORT_WORDS)
        )

    def _ordinary(self, first: int, last: int) -> bool:
        """Whether the run is words after all: "I a", "a 5 a"."""
        run = self._tokens[first:last]
        spoken = [t for t in run if self._letter(t) and t.text not in ("a", "i", "o")]
        return not spoken and not any(t.text in PHONETIC for t in run)


def _compose(form: str, digits: str) -> str:
    """Append a number; units fill the zero of tens ("forty", "five") and of hundreds."""
    if len(digits) == 1 and digits != "0" and re.search(r"(?:^|\D|\d)[2-9]0$", form):
        return form[:-1] + digits
    return form + digits


def _ascii(parts: list[str]) -> str:
    """Parts of a host or local name in characters that the address pattern takes; other scripts become ``x``."""
    return ".".join("".join(c if c.isascii() else "x" for c in part) or "x" for part in parts)
