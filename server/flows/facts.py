"""Facts: what an app knows before a session, such as the reading of last month."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from server.flows.definition import FlowDefinition
from server.flows.fact_values import is_word

_ANSWERS = ("yes", "no")


def check_facts(flow: FlowDefinition, facts: Mapping[str, str], personal: Collection[str] = ()) -> None:
    """Make sure that a flow has these facts, and that their values fit.

    Args:
        flow: The flow.
        facts: Values by name.
        personal: Words among ``words_in_facts`` in which something personal was found. They are refused, unless they
            are options: those are words of the operator.

    Raises:
        InvalidInput: FACT_INVALID; the message and the violation name the fact, never the value.
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
            options = f"Its options: {', '.join(fact.options)}." if fact.options else ""
            raise InvalidInput(
                f"The fact {name} {problem}.",
                reason=Reason.FACT_INVALID,
                hint=options,
                violations=(FieldViolation(f'facts["{name}"]', problem),),
            )
    if any(facts[name] in personal and not declared[name].options for name in facts):
        raise _personal()


def words_in_facts(facts: Mapping[str, str]) -> list[str]:
    """The values that are machine words, which the redactor has to read: ``anna_maier`` is one, too."""
    return [value for value in facts.values() if is_word(value) and value not in _ANSWERS]


def _personal() -> InvalidInput:
    """The refusal of a word in which something personal was found. It tells neither the word nor the fact."""
    return InvalidInput(
        "A fact of the session may name a person or a place.",
        reason=Reason.FACT_INVALID,
        hint="Facts are stored and shown as they are. If the words of a fact are known, such as names of sites, list "
        "them as its options in the flow file. A field of the kind personal asks for what is personal.",
    )
