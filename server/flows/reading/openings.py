"""What people say before they answer where they are: a greeting, who they are, a question to the app, why they came.

None of it is a site. What is left may be one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded
from server.flows.extraction import CONTACT_TAGS, NAME_TAGS, TAG
from server.flows.reading import opening_words as said
from server.flows.reading.fillers import FILLERS, words_besides
from server.flows.reading.words import CORRECTION, GREETING, PLAIN_YES, phrases
from server.flows.speakers import ValueOwner, tagged_values

_CLAUSE: Final = re.compile(r"[^,;:.!?।\n\u2013\u2014]+(?:[,;:.!?।\n\u2013\u2014]+|\Z)")
_LISTS: Final[Mapping[str, Mapping[str, str]]] = {
    "here": said.HERE,
    "from": said.FROM,
    "introduced": said.INTRODUCED,
    "this": said.THIS,
    "help": said.HELP,
    "asks": said.ASKS,
    "reason": said.REASON,
    "speaks": said.SPEAKS,
    "stands": said.STANDS,
    "at": said.AT,
    "goes on": said.GOES_ON,
    "asked": said.ASKED,
}
_NO_ANSWER: Final = ("here", "from", "introduced", "this", "help", "asks", "reason")
_TELLS_WHO: Final = ("here", "from", "introduced")
_ANY_NAME: Final = "@"
_LONGEST_CHARS: Final = 600
"""Characters of a text that is looked at. A longer one is a report."""


def place_part(text: str, code: str, framed: re.Pattern[str]) -> str:
    """The part of an answer that may name a place; empty where nothing may.

    Args:
        text: Redacted.
        code: ISO 639-1 code without a region.
        framed: Finds "I am at" and the like, after which a place comes.
    """
    if len(text) > _LONGEST_CHARS:
        return text
    for found in framed.finditer(text):
        if all(_adds_nothing(clause, code) for clause in _clauses(text[: found.start()])):
            return _without_end(text[found.start() :], code)
    clauses = _clauses(text)
    while clauses and _is_opening(clauses[0], code):
        if tail := _after_at(clauses[0], code):
            clauses[0] = tail
            break
        clauses = clauses[1:]
    return _without_end("".join(clauses), code)


def only_opens(text: str, code: str) -> bool:
    """Whether a text has nothing but greetings, "it's NAME here" and a call for help, so that it answers no text."""
    clauses = [] if len(text) > _LONGEST_CHARS else [_judged(each, code) for each in _clauses(text)]
    told = [clause for clause in clauses if clause]  # "I need help moving the pump" tells something
    return bool(told) and all(_has("here", clause, code) or _has("only help", clause, code) for clause in told)


def tells_who(text: str, code: str) -> bool:
    """Whether a text says who speaks, so that a name in it is no hidden answer."""
    clauses = [] if len(text) > _LONGEST_CHARS else [_judged(each, code) for each in _clauses(text)]
    return any(_has(name, clause, code) for clause in clauses for name in _TELLS_WHO)


def _clauses(text: str) -> list[str]:
    return [found[0] for found in _CLAUSE.finditer(text)]


def _without_end(text: str, code: str) -> str:
    """A text without clauses at its end that name a person, ask the app for help, or say why."""
    clauses = _clauses(text)
    while len(clauses) > 1 and _ends(clauses[-1], code):
        clauses.pop()
    return "".join(clauses) if len(clauses) < len(_clauses(text)) else text


def _ends(clause: str, code: str) -> bool:
    return any(_has(name, _judged(clause, code), code) for name in (*_TELLS_WHO, "help", "reason"))


def _adds_nothing(clause: str, code: str) -> bool:
    """Whether a clause before "I am at" is none of the place: an opening, or a name alone."""
    linked = re.sub(rf"(?<!\w)(?:{_LINKS.get(code, _LINKS['en'])})\s*\Z", "", clause, flags=re.IGNORECASE)
    return not words_besides(linked, code) or _is_opening(linked, code)


def _is_opening(clause: str, code: str) -> bool:
    """Whether a clause is no place: it has no word but those that add nothing, or it is one of the known kinds."""
    plain = _judged(clause, code)
    if not plain:
        return True
    if any(
        value.entity in CONTACT_TAGS and value.whose is not ValueOwner.UNKNOWN for value in tagged_values(clause, code)
    ):
        return True
    if any(_has(name, plain, code) for name in _NO_ANSWER):
        return True
    return _pattern("speaks", code).search(plain) is not None and not _pattern("stands", code).search(plain)


def _after_at(clause: str, code: str) -> str:
    """What follows the last "at" of a reason or an introduction: "here to read the meter at the depot"."""
    plain = _judged(clause, code)
    if _has("asks", plain, code) or _has("help", plain, code):
        return ""
    found = list(_pattern("at", code).finditer(clause.lower()))
    return clause[found[-1].end() :] if found else ""


def _has(name: str, plain: str, code: str) -> bool:
    return _pattern(name, code).fullmatch(plain) is not None


def _judged(clause: str, code: str) -> str:
    """A clause in folded words without marks, without words that add nothing around it; ``@`` for names of people."""
    marked = TAG.sub(lambda tag: f" {_ANY_NAME} " if tag[1] in NAME_TAGS else " # ", clause)
    bare = re.sub(r"[^\w\s@#'\u2019\u0900-\u0963-]|_", " ", marked)
    plain = re.sub(r"@(?: @)+", _ANY_NAME, folded(bare))
    first, last = _around(code)
    return last.sub("", first.sub("", plain))


_LINKS: Final = {"en": "and|but|so", "de": "und|aber", "es": "y|pero", "fr": "et|mais", "pt": "e|mas", "hi": "और"}


@lru_cache(maxsize=16)
def _around(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Words before and after a clause that add nothing to it."""
    known = [each for one in (FILLERS, GREETING, CORRECTION, PLAIN_YES) for each in phrases(one, code)]
    listed = any_of([*known, *said.THINKS.get(code, said.THINKS["en"]).split("|")]).pattern
    return re.compile(rf"\A(?:\s*{listed})+\s*"), re.compile(rf"(?:\s*{listed})+\s*\Z")


@lru_cache(maxsize=128)
def _pattern(name: str, code: str) -> re.Pattern[str]:
    if name == "only help":
        call = _expression("help", code).removeprefix(".*").removesuffix(".*")
        expression = rf"(?:{call})(?:\s*(?:{_expression('asked', code)})(?!\w))*"
    elif name == "here":
        expression = rf"(?:{_expression(name, code)})(?:\s(?:{_expression('goes on', code)})(?!\w).*)?"
    elif name == "speaks":
        expression = rf"(?<!\w)(?:{_expression(name, code)})(?!\w)"
    else:
        expression = _expression(name, code)
    return re.compile(expression or "(?!)")


def _expression(name: str, code: str) -> str:
    """An expression in the form of folded text."""
    lists = _LISTS[name]
    return unicodedata.normalize("NFKD", lists.get(code, lists["en"]))
