"""What a flow calls its steps, its fields and their values, in the language of a page."""

from __future__ import annotations

from typing import Final

from vestibule.v1 import flow_pb2 as pb

from models.errors import NotFound
from server.console.visit import Visit
from server.languages.texts import Texts

YES_NO: Final = ("yes", "no")
"""The values of a field that asks for yes or no, as the record has them."""


class FlowWords:
    """Words for what a record and a timeline name. What the flow does not have keeps its own name, with spaces.

    Args:
        flow: With its steps; one without steps where they are not known.
        texts: In the language of the page.
    """

    def __init__(self, flow: pb.Flow, texts: Texts) -> None:
        self._texts = texts
        self._fields = {field.name: field for step in flow.steps for field in step.fields}
        self.title = flow.title or flow.name.replace("_", " ")
        self.steps = {step.name: step.title for step in flow.steps}

    def label(self, name: str) -> str:
        """What people call a field."""
        return (self._fields[name].label if name in self._fields else "") or name.replace("_", " ")

    def value(self, name: str, value: str) -> str:
        """A value for people: a choice by its label, a number with its unit."""
        if label := dict(self.options(name)).get(value):
            return label
        unit = self._fields[name].unit if name in self._fields and value else ""
        return f"{value} {unit}".rstrip()

    def options(self, name: str) -> tuple[tuple[str, str], ...]:
        """The only values that a field can have, and what people call them; none where it takes others."""
        field = self._fields.get(name)
        if field is None:
            return ()
        if field.kind == pb.FIELD_KIND_YES_NO:
            return tuple((value, self._texts(value)) for value in YES_NO)
        return tuple((option.value, option.label) for option in field.options)


async def flow_words(visit: Visit, flow: str, version: int, texts: Texts) -> FlowWords:
    """The words of a version of a flow; only its name for whoever may not see flows, or when it is gone."""
    unknown = FlowWords(pb.Flow(name=flow), texts)
    if not flow or not visit.allowed("FlowService", "GetFlow"):
        return unknown
    request = pb.GetFlowRequest(name=flow, version=version, language=texts.language)
    try:
        return FlowWords((await visit.call("FlowService", "GetFlow", request)).flow, texts)
    except NotFound:
        return unknown
