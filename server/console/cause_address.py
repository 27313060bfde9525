"""The conditions of a cause in the address of the list of its sessions, each as the JSON of its message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from vestibule.v1.funnel_pb2 import FunnelEvidence, FunnelFeatureCondition

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.filters import Filter


def sessions_address(chosen: Filter, evidence: FunnelEvidence, number: Literal["affected", "left"]) -> str:
    """The address of the list of the sessions that a number of the evidence counts."""
    conditions = [MessageToJson(each, preserving_proto_field_name=True, indent=None) for each in evidence.conditions]
    return chosen.link("/funnel/sessions", step=evidence.position, number=number, condition=conditions)


def conditions_of(texts: Iterable[str]) -> list[FunnelFeatureCondition]:
    """The conditions in an address.

    Raises:
        InvalidInput: INVALID_ARGUMENT.
    """
    try:
        return [Parse(text, FunnelFeatureCondition()) for text in texts]
    except ParseError:
        raise InvalidInput(
            "The address names no condition of a cause.",
            reason=Reason.INVALID_ARGUMENT,
            hint="Open the page of causes, and follow a number there.",
        ) from None
