"""Reads flow files. Error messages name places in the file, never values."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from models.errors import InvalidInput
from models.reasons import Reason
from models.strict_yaml import load_strictly, where_wrong
from server.flows.definition import FlowDefinition

MAX_FILE_BYTES: Final = 256 * 1024
_UNION_MEMBERS: Final = ("OtherField", "str", "float", "bool")
SUFFIXES: Final = (".yaml", ".yml")
_QUOTES: Final = "Put texts in quotes that have a colon, or within braces a question mark or a comma."
_SHIPPED: Final = files("server.flows").joinpath("shipped")


def shipped_files() -> dict[str, str]:
    """The files that come with the server: their names and their texts."""
    found = sorted(_SHIPPED.iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text(encoding="utf-8") for file in found if file.name.endswith(SUFFIXES)}


def shipped_flows() -> list[FlowDefinition]:
    """The flows that come with the server."""
    return [parse_flow(text, name) for name, text in shipped_files().items()]


def load_folder(folder: Path | None) -> list[FlowDefinition]:
    """The flows of an operator's folder; none without one.

    Raises:
        InvalidInput: FLOW_INVALID, with every place that is wrong in the first file that has one.
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
        InvalidInput: FLOW_INVALID, with every place that is wrong.
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
        InvalidInput: FLOW_INVALID, with every place that is wrong.
    """
    named = f"The flow file {file}".rstrip()
    try:
        content = load_strictly(text)
    except yaml.YAMLError as error:
        raise _invalid(f"{named} is no YAML{where_wrong(error)}.", _QUOTES) from None
    try:
        return FlowDefinition.model_validate({} if content is None else content)
    except ValidationError as error:
        raise _invalid(f"{named} does not fit: {_problems(error)}.") from None


def _problems(error: ValidationError) -> str:
    """Every problem with its place. The messages of pydantic hold no value."""
    told: dict[str, None] = {}
    for found in error.errors(include_input=False, include_url=False):
        place = ".".join(str(part) for part in found["loc"] if not _is_internal(part))
        said = str(found["ctx"]["error"]) if found["type"] == "value_error" else found["msg"]
        told[f"{place}: {said[:1].lower()}{said[1:]}" if place else said] = None
    return "; ".join(told)


def _is_internal(part: int | str) -> bool:
    """Whether a part of a place is pydantic's own: the type that a union tried."""
    return isinstance(part, str) and (part in _UNION_MEMBERS or not part.replace("_", "").isalnum())


def _invalid(message: str, hint: str = "`vestibule flows check FILE` checks a file.") -> InvalidInput:
    return InvalidInput(message, reason=Reason.FLOW_INVALID, hint=hint)
