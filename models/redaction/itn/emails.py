"""Spoken e-mail addresses and handles: "john dot carter at example dot com"."""

from __future__ import annotations

from models.redaction.itn.lexicon import FUNCTION_WORDS, SERVICES, TOP_LEVEL
from models.redaction.itn.tokens import Stretch, Words
from models.redaction.lexicons.loader import ANY, words
from models.redaction.normalize.words import WORD

_MAX_LOCAL_WORDS = 3
_MAX_LOCAL_TOKENS = 120
_MAX_DOMAIN_TOKENS = 24
_MAX_WORDS_TO_DOT = 3
_COUNTRY_LETTERS = 2
_LONG_ENDINGS, _BEFORE_PLACES, _INTRODUCTIONS, _CASING = (
    words(ANY, "emails", name) for name in ("top_level_words", "before_places", "introductions", "letter_case")
)


class AddressReader:
    """Reads an address around the word for its at sign."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def at(self, at: int, floor: int) -> Stretch | None:
        """The address around the sign at token ``at``, not reaching back before ``floor``."""
        certain = self._words.tokens[at].text != "at" or (at - 2 >= floor and self._is_tied(at - 1))
        domain, last = self._domain(at + 1, certain=certain)
        if not domain:
            return self._handle(at)
        strong = certain or _may_end_host(domain.rpartition(".")[2]) or domain.startswith(tuple(SERVICES))
        first, local = self._local(at, floor, strong=strong)
        if not local:
            return self._handle(at)
        return Stretch(first, last, f"{local}@{domain}", "address")

    def _handle(self, at: int) -> Stretch | None:
        """A handle: an at sign followed by a spelled name, "at t a r n q u"."""
        last, form = at + 1, ""
        while last < len(self._words.tokens) and (
            atom := self._words.atom(self._words.tokens[last]) or self._named(last)
        ):
            form += atom
            last += 1
        if last < len(self._words.tokens) and self._words.sign(self._words.tokens[last]) == "@":
            return None  # "write to me at a b c at ...": the next sign is the real one
        unambiguous = self._words.tokens[at].text != "at"
        letters = sum(bool(self._words.letter(t)) for t in self._words.tokens[at + 1 : last])
        if letters >= 3 or (unambiguous and len(form) >= 3):
            return Stretch(at, last, f"x@{form}.com", "address")
        return None

    def _named(self, index: int) -> str:
        return "." if self._words.sign(self._words.tokens[index]) == "." and index + 1 < len(self._words.tokens) else ""

    def _domain(self, first: int, *, certain: bool = False) -> tuple[str, int]:
        """The host name that begins at ``first``, and where it ends; empty if there is none."""
        limit = min(len(self._words.tokens), first + _MAX_DOMAIN_TOKENS)
        parts, at = [""], first
        words_in_part = 0
        while at < limit:
            token = self._words.tokens[at]
            sign = self._words.sign(token)
            if sign in (".", "-") and parts[-1] and token.text != ".":
                parts = [*parts, ""] if sign == "." else [*parts[:-1], parts[-1] + "-"]
                words_in_part = 0
            elif token.text == "." and parts[-1] and at + 1 < limit and self._words.tokens[at + 1].start == token.end:
                parts.append("")
                words_in_part = 0
            elif len(parts) > 1 and not parts[-1] and _may_end_host(token.text):
                parts[-1] = token.text  # whatever else the word may be: "punkt de", "dot to", "dot at"
                words_in_part = 1
            elif piece := self._words.atom(token):
                if words_in_part and len(parts) > 1 and (parts[-1] in TOP_LEVEL or len(parts[-1]) == _COUNTRY_LETTERS):
                    break
                parts[-1] += piece
            elif token.text.isalnum() or WORD.fullmatch(token.text):
                full = len(parts) > 1 and parts[-1]
                function_word = token.text in FUNCTION_WORDS and token.text not in TOP_LEVEL
                if full or words_in_part >= 2 or (function_word and not self._dot_follows(at, certain)):
                    break
                parts[-1] += token.text
                words_in_part += 1
            else:
                break
            at += 1
        named = [p for p in parts if p]
        while at > first and self._words.sign(self._words.tokens[at - 1]) in (".", "-"):
            at -= 1
        if len(named) >= 2 or (named and any(named[0].startswith(s) for s in SERVICES)):
            return self._with_path(_ascii(named), at)
        return "", first

    def _dot_follows(self, at: int, certain: bool) -> bool:
        """Whether a common word is part of a host name because a dot follows it: "mail dot ...", "my shop dot com".

        Args:
            at: Its token.
            certain: Whether the word before the host can only be an at sign; otherwise a known top-level domain must
                follow.
        """
        tokens = self._words.tokens
        for dot in range(at + 1, min(at + 1 + _MAX_WORDS_TO_DOT, len(tokens) - 1)):
            if self._words.sign(tokens[dot]) == "." and tokens[dot].text != ".":
                last = tokens[dot + 1]
                return certain or dot == at + 1 or _may_end_host(last.text) or bool(self._words.letter(last))
        return False

    def _with_path(self, domain: str, at: int) -> tuple[str, int]:
        """The host with a spoken path: "slash ..."."""
        while at + 1 < len(self._words.tokens) and self._words.sign(self._words.tokens[at]) in ("/", "-", "_"):
            following = at + 1
            while following < len(self._words.tokens) and self._words.atom(self._words.tokens[following]):
                following += 1
            at = following if following > at + 1 else at + 2
        return domain, at

    def _local(self, at: int, floor: int, *, strong: bool) -> tuple[int, str]:
        """The part before the sign, walking left from it.

        Args:
            at: Token of the sign.
            floor: First token that belongs to no other address.
            strong: Whether the words after the sign can only be a host name.
        """
        first, form, words = at, "", 0
        floor = max(floor, at - _MAX_LOCAL_TOKENS)
        while first > floor:
            token = self._words.tokens[first - 1]
            sign = self._words.sign(token)
            if (
                sign in (".", "-", "_", "+")
                and form
                and not (token.text == "." and self._words.tokens[first].start > token.end)
            ):
                form = sign + form
                words = 0
            elif (atom := self._words.atom(token)) and not (
                token.text in ("a", "i") and self._starts_sentence(first - 1, floor)
            ):
                form = atom + form
            elif token.text in self._words.lexicon.repeats and form:
                form = form[:1] + form
            elif token.text in _CASING and form:
                pass
            elif words < _MAX_LOCAL_WORDS and self._is_named(first - 1, form, strong):
                form = token.text + form
                words += 1
            else:
                break
            first -= 1
        form = form.lstrip(".-_+")
        return first, _ascii([form]) if form else ""

    def _is_named(self, index: int, form: str, strong: bool) -> bool:
        """Whether a word is part of a local name. A common word is one only if a sign ties it to others."""
        tokens = self._words.tokens
        text = tokens[index].text
        if not WORD.fullmatch(text) or self._words.sign(tokens[index]):
            return False
        if text not in FUNCTION_WORDS or form[:1] in (".", "-", "_", "+"):
            return True
        if strong and form:
            within = any(token.text in _INTRODUCTIONS for token in tokens[max(0, index - _MAX_LOCAL_WORDS) : index])
            return self._is_tied(index) or (within and text not in _INTRODUCTIONS)
        return self._is_tied(index) or (strong and text not in _BEFORE_PLACES)

    def _is_tied(self, index: int) -> bool:
        """Whether the word for a sign stands before a word."""
        before = self._words.tokens[index - 1] if index else None
        return (
            before is not None
            and WORD.fullmatch(before.text) is not None
            and self._words.sign(before) in (".", "-", "_")
        )

    def _starts_sentence(self, index: int, floor: int) -> bool:
        """Whether "a" or "i" is the article or the pronoun: no spelled letter before it, and a word after it."""
        following = self._words.tokens[index + 1]
        return not self._words.atom(following) and not self._words.sign(following) and index > floor


def _may_end_host(text: str) -> bool:
    """Whether a word after a dot can be the last part of a host: a country has two letters, ``com`` three."""
    return (
        text in TOP_LEVEL
        or text in _LONG_ENDINGS
        or (text.isascii() and text.isalpha() and len(text) in (_COUNTRY_LETTERS, 3))
    )


def _ascii(parts: list[str]) -> str:
    """Parts of a host or local name in characters that the address pattern takes; other scripts become ``x``."""
    return ".".join("".join(c if c.isascii() else "x" for c in part if c not in "'\u2019") or "x" for part in parts)
