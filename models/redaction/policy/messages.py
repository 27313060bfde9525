"""Messages about errors in a policy file: the line, the path, and what is valid there.

They never hold a value, because it may be personal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from pydantic import ValidationError

from models.redaction.spans.operators import MAX_SHOWN, Operator

OPERATORS: Final = f"{', '.join(Operator)} or {{mask: 0}} to {{mask: {MAX_SHOWN}}}"

_A_MAPPING, _A_LIST, _A_SCORE = "must be a mapping", "must be a list", "must be a number above 0, at most 1"
_SAID: Final = {
    "missing": "must be there",
    "model_type": _A_MAPPING,
    "model_attributes_type": _A_MAPPING,
    "dict_type": _A_MAPPING,
    "list_type": _A_LIST,
    "string_type": "must be text; put it into quotation marks",
    "bool_type": "must be true or false",
    "float_type": _A_SCORE,
    "greater_than": _A_SCORE,
    "less_than_equal": _A_SCORE,
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}
_A_TYPE = "must be a type in capital letters, such as NAME or BADGE"
_A_NAME = "must be small letters, digits and dashes, 40 at most"

Location = tuple[int | str, ...]


def problems(error: ValidationError, text: str, options: Mapping[str, Sequence[str]]) -> str:
    """Every problem with its place, as one line.

    Args:
        error: Of the models of ``policy_file``.
        text: Of the file.
        options: The keys that the file, a part of it and a recognizer may have: ``""``, ``"part"``, ``"recognizer"``.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    told = {}
    for found in error.errors(include_input=False, include_url=False):
        path = _path(found["loc"])
        told[path] = _said(found["type"], found["loc"], found.get("ctx", {}), found["msg"], options)
    return "; ".join(f"{_place(root, path)}{what}" for path, what in told.items())


def _path(location: Location) -> Location:
    """The path without the parts that pydantic adds for its own types, so that each place is reported once."""
    if "operators" in location:
        location = location[: location.index("operators") + 2]
    return tuple(part for part in location if part != "[key]")


def _said(kind: str, location: Location, context: Mapping[str, Any], message: str, options: Any) -> str:
    if kind == "extra_forbidden" and "operators" not in location:
        where = "" if len(location) == 1 else "recognizer" if "recognizers" in location else "part"
        return f"is no option; there are {', '.join(options[where])}"
    if kind == "string_pattern_mismatch":
        return _A_NAME if location[-1] == "name" else _A_TYPE
    if "operators" in location and location[-1] != "operators":
        return f"must be {OPERATORS}"
    return _SAID[kind].format(**context) if kind in _SAID else message


def _place(root: yaml.Node | None, path: Location) -> str:
    """``line 3, default.operators.CC: ``; empty for the whole file."""
    if not path:
        return ""
    node = root
    line = 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            entry = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line, entry[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return f"line {line + 1}, {'.'.join(map(str, path))}: "
