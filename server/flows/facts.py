"""Facts: what an app knows before a session, such as the reading of last month."""

from __future__ import annotations

from collections.abc import Mapping

from models.errors import InvalidInput
from models.reasons import Reason
from server.flows.definition import FlowDefinition


def check_facts(flow: FlowDefinition, facts: Mapping[str, str]) -> None:
    """Make sure that a flow has these facts, and that their values fit. Values that fit are never personal.

    Raises:
        InvalidInput: FACT_INVALID; the message names the fact, never the value.
    """
    declared = {fact.name: fact for fact in flow.facts}
    for name in sorted(facts):
        fact = declared.get(name)
        if fact is None:
            named = ", ".join(declared) or "none"
            raise InvalidInput(
                f"The flow {flow.label} does not have one of these facts.",
                reason=Reason.FACT_INVALID,
                hint=f"Its facts: {named}.",
            )
        if problem := fact.problem(facts[name]):
            raise InvalidInput(f"The fact {name} {problem}.", reason=Reason.FACT_INVALID)
