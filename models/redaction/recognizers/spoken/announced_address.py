"""Spoken e-mail addresses after an announcement, with or without recognized signs."""

from __future__ import annotations

from typing import Final

from models.redaction.itn.tokens import Token
from models.redaction.recognizers.secrets.passphrase import passphrase_start
from models.redaction.recognizers.spoken.clause_tokens import BREAKS, ClauseTokens

_MOST_WORDS: Final = 12
_MOST_PLAIN_WORDS: Final = 4
"""Most words of an address in which no sign was recognized."""


def address_after(clause: ClauseTokens) -> tuple[int, int] | None:
    """First and last token of an address that begins the clause, or None.

    An address is words with a sign between them, or a few words that are no remark about an address.
    """
    said = [at for at in range(address_end(clause)) if clause.is_word(at)]
    if not said:
        return None
    first, last = said[0], said[-1]
    if any(_is_sign(clause, clause.tokens[at]) or _is_joined(clause, at) for at in range(first + 1, last)):
        return first, last
    plain = [clause.tokens[at].text for at in said]
    named = clause.announcement.told and not clause.announcement.requested
    told = named and len(said) <= _MOST_PLAIN_WORDS and clause.lists.remarks.isdisjoint(plain)
    return (first, last) if told and passphrase_start(plain) is not None else None


def joined_words(clause: ClauseTokens) -> tuple[int, int] | None:
    """First and last token of words that begin the clause and are joined by full stops: "maria.lopez.example.net"."""
    first = last = next((at for at, token in enumerate(clause.tokens) if token.text[0].isalnum()), 0)
    while last + 2 < len(clause.tokens) and _is_joined(clause, last + 1):
        last += 2
    return (first, last) if last > first else None


def address_end(clause: ClauseTokens) -> int:
    """The token before which an address that begins the clause ends."""
    for at, token in enumerate(clause.tokens[:_MOST_WORDS]):
        if token.text in clause.lists.stops or (token.text in BREAKS and not _is_inside(clause, at)):
            return at
    return min(_MOST_WORDS, len(clause.tokens))


def _is_inside(clause: ClauseTokens, at: int) -> bool:
    """Whether a mark has no space after it, or a sign on one side."""
    if at + 1 >= len(clause.tokens):
        return False
    before, token, after = clause.tokens[at - 1] if at else None, clause.tokens[at], clause.tokens[at + 1]
    return after.start == token.end or _is_sign(clause, after) or (before is not None and _is_sign(clause, before))


def _is_joined(clause: ClauseTokens, at: int) -> bool:
    """Whether the token is a full stop inside a word, as in "example.com"."""
    before, token, after = clause.tokens[at - 1 : at + 2]
    joined = before.end == token.start and token.end == after.start
    return token.text == "." and joined and before.text[-1].isalpha() and after.text.isalpha()


def _is_sign(clause: ClauseTokens, token: Token) -> bool:
    return bool(clause.words.sign(token)) and token.text not in BREAKS
