"""The file that `vestibule flows new` writes."""

from __future__ import annotations

from importlib.resources import files


def starter(name: str) -> str:
    """A whole flow file of this name, with comments."""
    text = files("server.flows").joinpath("starter.yaml").read_text(encoding="utf-8")
    return text.replace("FLOW_NAME", name).replace("FLOW_TITLE", name.replace("_", " ").capitalize())
