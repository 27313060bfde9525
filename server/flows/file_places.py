"""Where in the text of a flow file something is, and what to do where the text is no YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import yaml

_QUOTES: Final = "Put texts in quotes that have a colon, or within braces a question mark or a comma."
_INDENTATION: Final = "Indent the line as far as the lines that it belongs with."
_TAB: Final = "Indent with spaces: YAML allows no tabs."
_OPEN_QUOTE: Final = "A quote is opened and not closed."


def place_of(root: yaml.Node | None, path: Sequence[int | str]) -> tuple[str, int]:
    """A place for people, such as ``steps.0.when``, and its line.

    Parts that the file does not have are left out, except a last one, which is what is missing. A missing place is at
    the line of what should have it.

    Args:
        root: The file; None of an empty one.
        path: Keys and positions, among them what pydantic tried.

    Returns:
        The place, ``file`` for the whole, and the line, from 1 on.
    """
    parts: list[str] = []
    node, line = root, 1
    for number, part in enumerate(path):
        found = _child(node, part)
        if found is not None:
            node, line = found[1], found[0].start_mark.line + 1
            parts.append(str(part))
        elif number == len(path) - 1 and str(part) != _kind(node) and _may_have(node, part):
            parts.append(str(part))
    return ".".join(parts) or "file", line


def hint_for(error: yaml.YAMLError, text: str) -> str:
    """What to do about a text that is no YAML."""
    problem = getattr(error, "problem", None) or ""
    mark = getattr(error, "problem_mark", None)
    line = text.splitlines()[mark.line] if mark is not None and mark.line < len(text.splitlines()) else ""
    if "twice" in problem:
        return _keys_twice(text)
    if "'\\t'" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return _TAB
    if "quoted scalar" in (getattr(error, "context", None) or ""):
        return _OPEN_QUOTE
    if "such date" in problem:
        return "Correct the value, or put it in quotes."
    outside = "<block end>" in problem and any(each in problem for each in ("block mapping start", "'-'", "'?'"))
    within = "mapping values" in problem and mark is not None and ": " not in line[: mark.column]
    return _INDENTATION if outside or within else _QUOTES


def _child(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Where a part of a node begins, and the part."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _kind(node: yaml.Node | None) -> str | None:
    found = _child(node, "kind")
    return found[1].value if found is not None and isinstance(found[1], yaml.ScalarNode) else None


def _may_have(node: yaml.Node | None, part: int | str) -> bool:
    """Whether a part may be missing in a node, and is no name of a type that pydantic tried."""
    return isinstance(node, yaml.MappingNode) and isinstance(part, str) and part.replace("_", "").isalpha()


def _keys_twice(text: str) -> str:
    """Which key is there twice, and where."""
    for node in _mappings(yaml.compose(text, Loader=yaml.SafeLoader)):
        keys = [key for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
        for name, count in Counter(key.value for key in keys).items():
            if count > 1:
                lines = [str(key.start_mark.line + 1) for key in keys if key.value == name]
                return f"{name} is in lines {' and '.join(lines)}: keep one of them."
    return "Keep one of the two."


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    """All mappings of a file, outer ones first."""
    if isinstance(node, yaml.MappingNode):
        yield node
        for _key, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)
