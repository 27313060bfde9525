"""Passwords that are words, said or typed: "the wifi password is blue horse seven".

Up to four words after the keyword and its verb are taken. Must NOT match: what is said about a password ("is wrong",
"ist abgelaufen", "is stored on the server", "must have eight characters"), requests ("forgot my password please help").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import words
from models.redaction.types import RedactionContext
from models.text import Entity

_SUBJECT: Final = "passwords"
_ENDS, _NEGATIONS, _ADVERBS, _NOUNS, _FOLLOWS = (
    frozenset(across(_SUBJECT, name)) for name in ("ends", "negations", "adverbs", "nouns", "follows")
)
_OPENERS: Final = _NEGATIONS.union(across(_SUBJECT, "openers"))
_ARTICLES: Final = frozenset(across("function_words", "articles"))


def _listed(name: str) -> str:
    return f"(?:{alternatives(_SUBJECT, name)})"


_KEYWORD: Final = rf"(?<![^\W_]){_listed('keywords')}(?![^\W_])"
_FOR: Final = rf"(?: {_listed('purposes')}(?: [\w-]{{2,15}}){{1,2}}?)?"
_VERB: Final = rf"(?:(?:'s| {_listed('verbs')})(?= )|\s?[:=])"
_TOLD: Final = re.compile(rf"{_KEYWORD}{_FOR}{_VERB}|(?<![^\W_]){_listed('changes')}(?= )", re.IGNORECASE)
_BEFORE_VERB: Final = re.compile(
    rf"{_KEYWORD}(?P<value>(?: [^\s,;!?।]{{1,64}}){{1,4}}?) {_listed('last_verbs')}(?![^\W_])", re.IGNORECASE
)
"""In Hindi the verb comes last."""
_DIRECTLY: Final = re.compile(
    rf"{_KEYWORD}\s{{1,2}}(?P<value>(?=[^\s\d]{{0,40}}\d)(?=[^\s]{{0,40}}[^\W\d_])[^\s,;!?\"']{{5,64}})", re.IGNORECASE
)
"""A word with letters and digits needs no verb."""
_PIECES: Final = across(_SUBJECT, "pieces")

_WORD: Final = re.compile(r"\s{0,3}[\"'“„«(]?(?P<word>[^\s\"“”„«»,;!?।()]{1,128})(?P<stop>[\"”“»,;!?।)])?")
_MOST_WORDS: Final = 4

_STATE: Final = re.compile(_listed("states"))
_LIKE_ADVERB: Final = re.compile(r"[^\W\d_]{3,20}(?:ly|mente)")
_MIXED: Final = re.compile(r"(?=[^\s]{0,128}\d)(?=[^\s]{0,128}[^\W\d_])(?!\d{1,4}(?:st|nd|rd|th|am|pm|h|x)$).{1,128}")
"""A word of letters and digits that is no ordinal and no hour."""
_QUANTITY: Final = re.compile(r"\d{1,2}")
_INSTEAD: Final = re.compile(rf"[\s,;.:–—-]{{0,4}}{_listed('corrections')}\s", re.IGNORECASE)
"""Words between what a password is not and what it is."""
_LENGTHS: Final = words(*across(_SUBJECT, "lengths"))


class PasswordRecognizer:
    """A keyword, its verb, and the words after it."""

    name = "password"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if not view.has_any(_PIECES):
            return
        for told in _TOLD.finditer(view.text):
            yield from self._after(view, told.end())
        for pattern in (_BEFORE_VERB, _DIRECTLY):
            for match in pattern.finditer(view.text):
                yield from self._after(view, match.start("value"), match.end("value"))

    def _after(self, view: TextView, start: int, limit: int | None = None) -> Iterator[Entity]:
        words = list(_words_from(view.text, start, len(view.text) if limit is None else limit))
        said = [view.lower[low:high] for low, high in words]
        if not said:
            return
        first = passphrase_start(said)
        if first is not None:
            yield Entity("SECRET", words[first][0], words[-1][1], 0.85, self.name)
        if said[0] in _NEGATIONS and (instead := _INSTEAD.match(view.text, words[-1][1])):
            behind = list(_words_from(view.text, instead.end(), len(view.text)))
            said = [view.lower[low:high] for low, high in behind]
            if said and said[0] not in _NEGATIONS and (first := passphrase_start(said)) is not None:
                yield Entity("SECRET", behind[first][0], behind[-1][1], 0.85, self.name)


def _words_from(text: str, start: int, limit: int) -> Iterator[tuple[int, int]]:
    """Spans of up to four words, to the end of the clause."""
    for _ in range(_MOST_WORDS):
        match = _WORD.match(text, start, limit)
        if match is None:
            return
        low, high = match.span("word")
        ended = match["word"].endswith((".", ":", "…"))
        high -= len(match["word"]) - len(match["word"].rstrip(".:…"))
        if high <= low or text[low:high].lower() in _ENDS:
            return
        yield low, high
        if ended or match["stop"]:
            return
        start = match.end("word")


def passphrase_start(said: list[str]) -> int | None:
    """The word with which the password begins; None if the words are a remark about a password."""
    if _LENGTHS.search(" ".join(said)):
        return None
    first = 0
    while first < len(said) - 1 and _is_adverb(said, first):
        first += 1
    if any(_MIXED.fullmatch(word) for word in said):
        return first
    rest = said[first:]
    if rest[0] in _OPENERS or rest[0] in _ADVERBS:
        return None
    if rest[0] in _ARTICLES and (len(rest) == 1 or rest[1] in _NOUNS or _is_state(rest[1])):
        return None
    return None if _is_remark(rest) else first


def _is_adverb(said: list[str], at: int) -> bool:
    """Whether the word is an adverb before the password. One that only ends like an adverb needs a remark after it."""
    if said[at] in _ADVERBS or (at == 0 and said[at] in _NEGATIONS and _MIXED.fullmatch(said[1])):
        return True
    return _LIKE_ADVERB.fullmatch(said[at]) is not None and (said[at + 1] in _OPENERS or _is_remark(said[at + 1 :]))


def _is_state(word: str) -> bool:
    return _STATE.fullmatch(word) is not None


def _is_remark(words: list[str]) -> bool:
    """Whether the words only describe a password: "wrong again", but not "wrong turn"."""
    if not _is_state(words[0]):
        return len(words) > 1 and words[1] in _NEGATIONS
    following = words[1] if len(words) > 1 else ""
    return (
        not following
        or _is_state(following)
        or following in _FOLLOWS | _ADVERBS | _OPENERS
        or _QUANTITY.fullmatch(following) is not None
    )


PASSWORD = PasswordRecognizer()
