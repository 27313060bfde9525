"""Reads YAML that a person wrote, and refuses what a person would not notice."""

from __future__ import annotations

from typing import Any, Final

import yaml

_TWICE: Final = "a key is there twice"
_NO_VALUE: Final = "there is no such date, time or number"
_KNOWN: Final = (_TWICE, _NO_VALUE)


def load_strictly(text: str) -> Any:
    """What the text says; None from an empty one.

    Raises:
        yaml.YAMLError: It is no YAML, a key is there twice, or a date does not exist. ``where_wrong`` says where.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader that also refuses repeated keys


def where_wrong(error: yaml.YAMLError) -> str:
    """The line of an error, and why if that is plain, such as `` in line 3: a key is there twice``. Holds no value."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    problem = getattr(error, "problem", "")
    return f"{where}: {problem}" if problem in _KNOWN else where


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, and dates that do not exist.

    YAML would silently use the last of two keys, so a rule would be lost. PyYAML reports a date such as
    2026-02-30 with the ValueError of ``datetime``.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError:
            raise yaml.constructor.ConstructorError(None, None, _NO_VALUE, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        if len(keys) != len(set(map(str, keys))):
            raise yaml.constructor.ConstructorError(None, None, _TWICE, node.start_mark)
        return super().construct_mapping(node, deep)
