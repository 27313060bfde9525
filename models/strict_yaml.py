"""Reads YAML that a person wrote, and refuses what a person would not notice."""

from __future__ import annotations

from typing import Any, Final

import yaml

_TWICE: Final = "a key is there twice"


def load_strictly(text: str) -> Any:
    """What the text says; None from an empty one.

    Raises:
        yaml.YAMLError: It is no YAML, or a key is there twice. ``where_wrong`` says where.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader that also refuses repeated keys


def where_wrong(error: yaml.YAMLError) -> str:
    """The line of an error, and why if that is plain, such as `` in line 3: a key is there twice``. Holds no value."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{where}: {_TWICE}" if getattr(error, "problem", "") == _TWICE else where


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys. YAML would silently use the last one, so a rule would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        if len(keys) != len(set(map(str, keys))):
            raise yaml.constructor.ConstructorError(None, None, _TWICE, node.start_mark)
        return super().construct_mapping(node, deep)
