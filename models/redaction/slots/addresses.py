"""Spoken e-mail addresses after an announcement, with or without recognized signs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from models.redaction.itn.lexicon import TOP_LEVEL
from models.redaction.itn.tokens import Token
from models.redaction.lexicons.loader import alternatives
from models.redaction.recognizers.secrets.passphrase import passphrase_start
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.entities import words_in
from models.redaction.slots.spoken_words import MARKS, SpokenWords

_MOST_WORDS: Final = 12
_MOST_PLAIN_WORDS: Final = 4
"""Most words of an address in which no sign was recognized."""

_SHORTEST_PART: Final = 3
"""Least letters of one of the words that full stops join. Shorter ones are abbreviations."""

_WEB: Final = "www"
_TITLE: Final = re.compile(alternatives("introductions", "titles"), re.IGNORECASE)

_SUSPECTED: Final = 0.02
"""Least probability of being personal, by the tagger, of one of the words that full stops join. See
docs/evaluation/constants/redaction.md, joined-words.
"""

_SETTLED_WORDS: Final = 5
"""Words after an address from which on it counts as ended."""


def address_of(text: SpokenWords, slot: Announcement) -> Iterator[tuple[int, int]]:
    """Where the address after an announcement lies, if there is one.

    An address is words with a sign between them, or a few words that are no remark about an address.
    """
    begin = text.at(slot.end)
    while begin < len(text.tokens) and text.tokens[begin].text in text.lists.articles:
        begin += 1
    said = [at for at in range(begin, address_end(text, begin)) if text.is_word(at)]
    if slot.back or not said:
        return
    plain = [text.tokens[at].text for at in said]
    signs = _is_signed(text, said)
    named = slot.told and not slot.requested
    told = named and len(said) <= _MOST_PLAIN_WORDS and text.lists.remarks.isdisjoint(plain)
    if signs or (told and passphrase_start(plain) is not None):
        yield text.tokens[said[0]].start, text.tokens[said[-1]].end


def has_inner_sign(text: SpokenWords, start: int, end: int) -> bool:
    """Whether a sign of an address stands between the words of a span."""
    said = [at for at in range(text.at(start), text.at(end)) if text.is_word(at)]
    return bool(said) and _is_signed(text, said)


def mailbox_of(text: SpokenWords, slot: Announcement) -> Iterator[tuple[int, int]]:
    """An address where a call was requested: words joined by full stops, "reach me at maria.lopez.example.net"."""
    if slot.type != "PHONE" or not slot.requested:
        return
    first = next((at for at in range(text.at(slot.end), len(text.tokens)) if text.is_word(at)), len(text.tokens))
    last = _joined_to(text, first)
    if last > first:
        yield text.tokens[first].start, text.tokens[last].end


def joined_words(text: SpokenWords) -> Iterator[tuple[int, int]]:
    """Words that recognition joined by full stops: "an Brigitte.somme.d", "to Torvikatexample.de".

    The tagger has to suspect them a little. Where they end as the name of a host, the word before is the mailbox: "to
    subretirez garreau.fr". Must NOT match: "a.m.", "z.B.", "3.11", "www.example.com", "Dr.Miller", two
    sentences without a space between ("war kaputt.Gestern"), and web sites as far as the tagger knows them.
    """
    at = 0
    while at < len(text.tokens):
        last = _joined_to(text, at) if text.is_word(at) else at
        parts = text.tokens[at : last + 1 : 2]
        if last > at and _may_be_address(text, at, last):
            first = _mailbox_before(text, at) if parts[-1].text in TOP_LEVEL else at
            yield text.tokens[first].start, text.tokens[last].end
        at = last + 1


def _may_be_address(text: SpokenWords, first: int, last: int) -> bool:
    """Whether joined words are none of a few other things, and the tagger suspects one of them."""
    parts = [token.text for token in text.tokens[first : last + 1 : 2]]
    if parts[0] == _WEB or _TITLE.fullmatch(parts[0]) or max(map(len, parts)) < _SHORTEST_PART:
        return False
    if not all(map(text.is_plain, range(first, last + 1, 2))):
        return False
    found = words_in(text.tagged, text.tokens[first].start, text.tokens[last].end)
    return max((word.personal for word in found), default=float(parts[-1] in TOP_LEVEL)) >= _SUSPECTED


def _joined_to(text: SpokenWords, at: int) -> int:
    """The last of the words that full stops join to a word; the word itself if none is."""
    while at + 2 < len(text.tokens) and _is_joined(text, at + 1):
        at += 2
    return at


def _mailbox_before(text: SpokenWords, at: int) -> int:
    """The word before a token if it may be a mailbox, else the token. One full stop may stand between."""
    before = at - 2 if at and text.tokens[at - 1].text == "." else at - 1
    if before < 0 or not text.is_misheard(before) or len(text.tokens[before].text) <= _SHORTEST_PART:
        return at
    announces = any(slot.start <= text.tokens[before].start < slot.end for slot in text.announcements)
    return at if announces else before


def address_end(text: SpokenWords, begin: int) -> int:
    """The token before which an address that begins at a token ends."""
    for at in range(begin, min(len(text.tokens), begin + _MOST_WORDS)):
        word = text.tokens[at].text
        stop = word in text.lists.stops and not (at > begin and _is_sign(text, text.tokens[at - 1]))
        if stop or (word in MARKS and not _is_inside(text, at)):
            return at
    return min(len(text.tokens), begin + _MOST_WORDS)


def may_be_address(text: SpokenWords, slot: Announcement) -> bool:
    """Whether what follows the announcement may still become an address with misheard words: "reach me at roof and that
    Delgado at ...". It ends with its sentence.
    """
    begin = text.at(slot.end)
    ends = (at for at in range(begin, len(text.tokens)) if text.tokens[at].text in MARKS and not _is_inside(text, at))
    end = min(next(ends, len(text.tokens)), begin + _MOST_WORDS)
    return sum(text.word_at[end:]) < _SETTLED_WORDS


def _is_signed(text: SpokenWords, said: Sequence[int]) -> bool:
    return any(_is_sign(text, text.tokens[at]) or _is_joined(text, at) for at in range(said[0] + 1, said[-1]))


def _is_inside(text: SpokenWords, at: int) -> bool:
    """Whether a mark has no space after it, or a sign on one side."""
    if at + 1 >= len(text.tokens):
        return False
    before, token, after = text.tokens[at - 1] if at else None, text.tokens[at], text.tokens[at + 1]
    return after.start == token.end or _is_sign(text, after) or (before is not None and _is_sign(text, before))


def _is_joined(text: SpokenWords, at: int) -> bool:
    """Whether the token is a full stop inside a word, as in "example.com"."""
    before, token, after = text.tokens[at - 1 : at + 2]
    joined = before.end == token.start and token.end == after.start
    return token.text == "." and joined and before.text[-1].isalpha() and after.text.isalpha()


def _is_sign(text: SpokenWords, token: Token) -> bool:
    return bool(text.words.sign(token)) and token.text not in MARKS
