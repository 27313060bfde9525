"""Sentence grammars of a language, from ``templates/<language>.yaml`` and more files ``templates/<language>_*.yaml``.

A file has words of the language (``language``), lists and types. Lists are split, see ``entries_of``. The entries
that a further file adds come after those of the first. A list is a YAML list, or one text with entries between
semicolons. An entry may hold ``(a|b)`` for one of several texts, ``[a|b]`` for one of them or nothing, ``{list}`` for
an entry of a list, and ``{maker:argument}`` for a value:

``{d:07### ######}``
    A code: ``#`` is any digit, ``%`` any but zero, ``@`` any letter; a space is a place where people pause.
``{int:1-300}``, ``{ordinal:1-28}``, ``{year:1930-2006}``
    A number in this range, said as such.
``{spell:surname}``
    An entry of a list, spelled.
``{sign:.}``
    A sign, said by its name.

What expansion leaves is text with marks: ``<d:415>``, ``<n:245>``, ``<o:12>``, ``<y:1984>``, ``<l:MILLER>``, ``<s:.>``.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any, Final

import yaml

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
LANGUAGES: Final = ("en", "es", "de", "fr", "hi", "pt", "it")
SPLITS: Final = ("train", "dev", "held")

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it

_SPLIT_FROM = 6
"""Lists of at least so many entries are split: of six entries one is for dev and one for held, four for train."""

_CHOICE = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
_REFERENCE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")


@dataclass(frozen=True)
class ValueType:
    """A type of value, personal or harmless.

    Attributes:
        name: In the template file.
        label: Of its spans.
        personal: Whether it must be hidden.
        values: How values look.
        nouns: What the value is called.
        before: Sentences that announce the value and then give it, with ``{V}``.
        after: Sentences that give the value and then say what it was.
        weight: How often it is drawn.
        repaired: Whether people correct it and say it in parts.
    """

    name: str
    label: str
    personal: bool
    values: Sequence[str]
    nouns: Sequence[str]
    before: Sequence[str]
    after: Sequence[str]
    weight: float = 1.0
    repaired: bool = True


@dataclass(frozen=True)
class Grammar:
    """The lists and types of one language that one split may use."""

    language: str
    split: str
    lists: Mapping[str, Sequence[str]]
    types: Mapping[str, ValueType]
    chance: random.Random = field(default_factory=random.Random)

    def pick(self, name: str) -> str:
        """An entry of a list, expanded."""
        return self.expand(self.chance.choice(self.lists[name]))

    def maybe(self, name: str, share: float) -> str:
        """An entry of a list in this share of the cases, otherwise nothing."""
        return self.pick(name) if self.chance.random() < share else ""

    def expand(self, text: str, given: Mapping[str, str] | None = None) -> str:
        """A text with its choices made and its lists and makers replaced; ``given`` replaces names by fixed texts."""
        given = given or {}
        while True:
            chosen = _CHOICE.sub(self._chosen, text)
            chosen = _REFERENCE.sub(lambda m: self._replaced(m[1], m[2], given), chosen)
            if chosen == text:
                return " ".join(text.split())
            text = chosen

    def _chosen(self, found: re.Match[str]) -> str:
        entries: str | None = found[1]
        if entries is not None:
            return self.chance.choice(entries.split("|"))
        return self.chance.choice(str(found[2]).split("|")) if self.chance.random() < 0.5 else ""

    def _replaced(self, name: str, argument: str | None, given: Mapping[str, str]) -> str:
        if name in given:
            return given[name]
        if argument is not None:
            return MAKERS[name](self, argument)
        return self.chance.choice(self.lists[name])

    def code(self, pattern: str) -> str:
        """Characters of a code; each space of the pattern ends a part."""
        drawn = {"#": string.digits, "%": string.digits[1:], "@": "ABCDEFGHJKLMNPRSTUVWXYZ"}
        return "".join(self.chance.choice(drawn[c]) if c in drawn else c for c in pattern)

    def number(self, range_: str) -> str:
        """A number of a range, low ones more often."""
        low, high = map(int, range_.split("-"))
        return str(low + int((high - low + 1) * self.chance.random() ** 1.5))


def marks_of(code: str) -> str:
    """The marks of a code: a run of digits, letters or a sign each, parts with a bar between them."""
    marked = re.sub(r"[0-9]+|[A-Z]+|[^0-9A-Z ]", lambda m: f" <{_mark(m[0])}:{m[0]}> ", code.replace(" ", " | "))
    return " ".join(marked.replace("<s:|>", "|").split())


def _mark(text: str) -> str:
    return "d" if text.isdigit() else "l" if text.isalpha() else "s"


MAKERS: Final[dict[str, Callable[[Grammar, str], str]]] = {
    "d": lambda grammar, pattern: marks_of(grammar.code(pattern)),
    "int": lambda grammar, range_: f"<n:{grammar.number(range_)}>",
    "ordinal": lambda grammar, range_: f"<o:{grammar.number(range_)}>",
    "year": lambda grammar, range_: f"<y:{grammar.number(range_)}>",
    "spell": lambda grammar, name: f"<l:{grammar.pick(name).upper().replace(' ', '')}>",
    "sign": lambda _, sign: f"<s:{sign}>",
}


@lru_cache
def read_templates(language: str) -> Mapping[str, Any]:
    """The parsed files of a language as one."""
    paths = (TEMPLATES / f"{language}.yaml", *sorted(TEMPLATES.glob(f"{language}_*.yaml")))
    loaded = [yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader) for path in paths]
    return reduce(_added, loaded)


def _added(first: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both files as one: tables are joined, the entries of lists follow each other, and other values stay."""
    joint = dict(first)
    for name, value in more.items():
        known = joint.get(name)
        if isinstance(known, Mapping):
            joint[name] = _added(known, value)
        else:
            joint[name] = value if known is None else [*entries_of(known, "all"), *entries_of(value, "all")]
    return joint


def build_grammar(language: str, split: str, chance: random.Random) -> Grammar:
    """The grammar of a language with the entries of one split.

    Args:
        language: One of ``LANGUAGES``.
        split: One of ``SPLITS``.
        chance: Decides everything.
    """
    raw = read_templates(language)
    lists = {name: entries_of(entries, "all") for name, entries in raw["language"].items()}
    lists |= {name: entries_of(entries, split) for name, entries in raw["lists"].items()}
    types = {name: _type(name, entry, raw, split) for name, entry in raw["types"].items()}
    return Grammar(language, split, lists, types, chance)


def _type(name: str, raw: Mapping[str, Any], file: Mapping[str, Any], split: str) -> ValueType:
    shared = file["shared"] if raw.get("shared", True) else {"before": [], "after": []}
    return ValueType(
        name,
        raw["label"],
        raw.get("personal", True),
        entries_of(raw["values"], "all"),
        entries_of(raw.get("nouns", []), split),
        [*entries_of(raw.get("before", []), split), *entries_of(shared["before"], split)],
        [*entries_of(raw.get("after", []), split), *entries_of(shared["after"], split)],
        raw.get("weight", 1.0),
        raw.get("repaired", True),
    )


def entries_of(raw: str | Sequence[str], split: str) -> list[str]:
    """The entries of a list that a split may use."""
    entries = [entry.strip() for entry in raw.split(";") if entry.strip()] if isinstance(raw, str) else list(raw)
    if split == "all" or len(entries) < _SPLIT_FROM:
        return entries
    wanted = {"train": (0, 1, 2, 3), "dev": (4,), "held": (5,)}[split]
    return [entry for place, entry in enumerate(entries) if place % _SPLIT_FROM in wanted]
