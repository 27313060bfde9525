"""Reads flow files. Error messages name places, names and words of the file, never an example of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from models.strict_yaml import load_strictly, where_wrong
from server.flows.consistency import InconsistentFlow
from server.flows.definition import FROM_FILE, FlowDefinition
from server.flows.file_places import hint_for, place_of

MAX_FILE_BYTES: Final = 256 * 1024
MOST_TOLD: Final = 10
"""Problems of one file that are told at a time."""
SUFFIXES: Final = (".yaml", ".yml")
_NO_TEXT: Final = "string_type"
"""Kind of a problem, as pydantic calls it: it should be a text."""
_UNQUOTED: Final = "without quotes it is {}: put it in quotes"
_CUT: Final = "within braces a text ends at a comma: put it in quotes"
CHECK_HINT: Final = "`vestibule flows check FILE` checks a file."
_SHIPPED: Final = files("server.flows").joinpath("shipped")


def shipped_files() -> dict[str, str]:
    """The files that come with the server: their names and their texts."""
    found = sorted(_SHIPPED.iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text(encoding="utf-8") for file in found if file.name.endswith(SUFFIXES)}


def shipped_flows() -> list[FlowDefinition]:
    """The flows that come with the server."""
    return list(_shipped_flows())


@cache
def _shipped_flows() -> tuple[FlowDefinition, ...]:
    """They are read once: a flow does not change, and to read them takes a fifth of a second."""
    return tuple(parse_flow(text, name) for name, text in shipped_files().items())


def load_folder(folder: Path | None) -> list[FlowDefinition]:
    """The flows of an operator's folder; none without one.

    Raises:
        InvalidInput: FLOW_INVALID, with the places that are wrong in the first file that has one.
    """
    if folder is None:
        return []
    try:
        found = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    except OSError as error:
        raise _invalid(f"The folder of flows {folder} cannot be read: {error.strerror}.") from None
    return [load_flow(file) for file in found]


def load_flow(path: Path) -> FlowDefinition:
    """Read and check one file.

    Raises:
        InvalidInput: FLOW_INVALID, with the places that are wrong.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise _invalid(f"The flow file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise _invalid(f"The flow file {path} cannot be read: it is not UTF-8.") from None
    if len(content) > MAX_FILE_BYTES:
        raise _invalid(f"The flow file {path} has more than {MAX_FILE_BYTES} bytes.")
    return parse_flow(text, str(path))


def parse_flow(text: str, file: str = "") -> FlowDefinition:
    """A flow from the text of a file.

    Args:
        text: YAML.
        file: Where it came from, for the message.

    Raises:
        InvalidInput: FLOW_INVALID, with the places that are wrong.
    """
    named = f"The flow file {file}".rstrip()
    try:
        content = load_strictly(text)
    except yaml.YAMLError as error:
        raise _invalid(f"{named} is no YAML{where_wrong(error)}.", hint_for(error, text)) from None
    try:
        return FlowDefinition.model_validate({} if content is None else content, context={FROM_FILE: True})
    except ValidationError as error:
        problems = _problems(error, text)
    places = "one place" if len(problems) == 1 else f"{len(problems)} places"
    some = f", of which these are the first {MOST_TOLD}" if len(problems) > MOST_TOLD else ""
    raise _invalid(f"{named} does not fit in {places}{some}.", violations=tuple(problems[:MOST_TOLD]))


def _problems(error: ValidationError, text: str) -> list[FieldViolation]:
    """Every problem with its place. The messages of pydantic hold no value."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found = [(place_of(root, path), said, kind) for path, said, kind in _found(error)]
    texts = {place.name for place, _, kind in found if kind == _NO_TEXT}
    told: dict[FieldViolation, None] = {}
    for place, said, kind in found:
        if kind == _NO_TEXT and any(other.name.startswith(f"{place.name}.") for other, _, _ in found):
            continue  # it is given by language, and what is wrong is one of them
        unquoted = place.read_as if place.name in texts else ""
        what = _CUT if place.cut else _UNQUOTED.format(unquoted) if unquoted else f"{said[:1].lower()}{said[1:]}"
        told[FieldViolation(f"{place.name} (line {place.line})", what)] = None
    return list(told)


def _found(error: ValidationError) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """The path, the sentence and the kind of each problem."""
    for found in error.errors(include_input=False, include_url=False):
        cause = found.get("ctx", {}).get("error")
        if isinstance(cause, InconsistentFlow):
            for place, what in cause.problems:
                yield tuple(int(part) if part.isdecimal() else part for part in place.split(".")), what, ""
        else:
            yield found["loc"], str(cause) if found["type"] == "value_error" else found["msg"], found["type"]


def _invalid(message: str, hint: str = CHECK_HINT, violations: tuple[FieldViolation, ...] = ()) -> InvalidInput:
    return InvalidInput(message, reason=Reason.FLOW_INVALID, hint=hint, violations=violations)
