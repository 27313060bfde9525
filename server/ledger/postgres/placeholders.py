"""Parameters as DuckDB writes them, ``?`` and ``$name``, turned into the ``$1`` of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

_TOKENS: Final = re.compile(
    r"""
      [eE]'(?:[^'\\]|''|\\.)*'                # a text with escapes
    | '(?:[^']|'')*'                          # a text
    | "(?:[^"]|"")*"                          # a name in quotes
    | --[^\n]*                                # a comment to the end of the line
    | /\*(?:[^*]|\*(?!/))*\*/                 # a comment
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$   # a text in dollars
    | [^\W\d][\w$]*                           # a word, which may have a dollar within
    | (?P<mark>\?)
    | \$(?P<name>\w+)
    """,
    re.VERBOSE | re.DOTALL,
)
_REMEMBERED: Final = 512
"""Statements that are remembered. Most are literals of our source code; those with ids in them come once."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A statement with ``$1``, ``$2`` and so on.

    Attributes:
        keys: For each of them the place in a list of parameters, or the name in a dict.
    """

    sql: str
    keys: tuple[int | str, ...]

    def values(self, given: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
        """The values of the parameters, in the order of their numbers.

        Raises:
            ValueError: Another number of values than the statement has marks, or names without a value, or names that
                the statement does not have. DuckDB refuses the same.
        """
        if isinstance(given, Mapping):
            if given.keys() != set(self.keys):
                names = sorted(map(str, given.keys() ^ set(self.keys)))
                raise ValueError(f"Names of parameters that do not match: {', '.join(names)}.")
            return [given[key] for key in self.keys if isinstance(key, str)]
        if len(given) != len(self.keys):
            raise ValueError(f"The statement has {len(self.keys)} parameters and was given {len(given)}.")
        return [given[key] for key in self.keys if isinstance(key, int)]


@lru_cache(_REMEMBERED)
def translate(sql: str) -> Translated:
    """Number the parameters of a statement. Quotes, comments, casts and words with a dollar stay as they are.

    Raises:
        ValueError: It has both ``?`` and ``$name``.
    """
    numbers: dict[int | str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        if found["mark"]:
            key: int | str = len(numbers)
        elif found["name"]:
            key = int(found["name"]) - 1 if found["name"].isdecimal() else found["name"]
        else:
            return found[0]
        return f"${numbers.setdefault(key, len(numbers) + 1)}"

    written = _TOKENS.sub(numbered, sql)
    if len({type(key) for key in numbers}) > 1:
        raise ValueError("A statement has ? or $name, not both.")
    return Translated(written, tuple(numbers))
