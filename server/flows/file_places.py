"""Where in the text of a flow file something is, and what to do where the text is no YAML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

_QUOTES: Final = "Put texts in quotes that have a colon or a #, or within braces a question mark or a comma."
_INDENTATION: Final = "Indent the line as far as the lines that it belongs with."
_TAB: Final = "Indent with spaces: YAML allows no tabs."
_OPEN_QUOTE: Final = "A quote is opened and not closed."

_READ_AS: Final = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "yes or no",
    "tag:yaml.org,2002:timestamp": "a date",
}
"""What YAML makes of words without quotes."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a flow file.

    Attributes:
        name: For people, such as ``steps.0.when``; ``file`` for the whole.
        line: From 1 on.
        read_as: What YAML reads there instead of a text, such as "a number"; empty for a text and for parts.
        cut: Whether it is a text within braces that ends at a comma.
    """

    name: str
    line: int
    read_as: str = ""
    cut: bool = False


def place_of(root: yaml.Node | None, path: Sequence[int | str]) -> Place:
    """The place to which a path leads.

    Parts that the file does not have are left out, except a last one, which is what is missing. A missing place is at
    the line of what should have it. A text that is cut by a comma has no places within it.

    Args:
        root: The file; None of an empty one.
        path: Keys and positions, among them what pydantic tried.
    """
    parts: list[str] = []
    node, line = root, 1
    for number, part in enumerate(path):
        if (rest := _cut_off(node)) is not None:
            return Place(".".join(parts), rest.start_mark.line + 1, cut=True)
        found = _child(node, part)
        if found is not None:
            node, line = found[1], found[0].start_mark.line + 1
            parts.append(str(part))
        elif number == len(path) - 1 and str(part) != _kind(node) and _may_have(node, part):
            parts.append(str(part))
    name = ".".join(parts) or "file"
    if (rest := _cut_off(node)) is not None:
        return Place(name, rest.start_mark.line + 1, cut=True)
    return Place(name, line, _READ_AS.get(node.tag, "") if node is not None else "")


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


def _cut_off(node: yaml.Node | None) -> yaml.Node | None:
    """What follows the comma at which a text within braces ends: ``{en: So that, we know}``; None where nothing does.

    Texts are told from other mappings by their keys, which are two letters long.
    """
    if not isinstance(node, yaml.MappingNode) or not node.flow_style or not node.value:
        return None
    first, text = node.value[0]
    if not re.fullmatch("[a-z]{2}", str(first.value)) or not isinstance(text, yaml.ScalarNode) or not text.value:
        return None
    return next((key for key, value in node.value if _is_words(key, value)), None)


def _is_words(key: yaml.Node, value: yaml.Node) -> bool:
    """Whether a key is more than one word, or has neither a value nor a colon in it or after it."""
    plain = isinstance(key, yaml.ScalarNode) and ":" not in key.value
    bare = key.end_mark.index == value.start_mark.index
    return plain and (bare or " " in str(key.value))


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
