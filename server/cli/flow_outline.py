"""A flow as an outline for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.flows.fields import ChoiceField, Keep, NumberField, PersonalField, PhotoField
from server.flows.texts import text_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.flows.app_events import DeclaredProperty
    from server.flows.conditions import Condition
    from server.flows.definition import FlowDefinition, Step
    from server.flows.fact_values import Fact
    from server.flows.fields import FieldDefinition


def outline(flow: FlowDefinition, language: str) -> str:
    """The whole flow, in lines.

    Args:
        flow: The flow.
        language: Of its texts.
    """
    told = flow.language(language)
    lines = [f"{text_in(flow.title, told)} ({flow.label}; {', '.join(flow.languages)})"]
    if flow.description is not None:
        lines.append(text_in(flow.description, told))
    if flow.facts:
        lines += ["", "The app may give", *map(_fact, flow.facts)]
    for number, step in enumerate(flow.steps, start=1):
        lines += ["", f"{number}. {step.title_in(told)}{_condition(step.when)}", *_step(step, told)]
    if flow.checks:
        lines += ["", "Checks"]
        for check in flow.checks:
            lines.append(f"  {check.severity} {check.name}: {words_of(check.require)}{_condition(check.when)}")
            lines.append(f"    {text_in(check.message, told)}")
    lines += ["", f"Approval: {approval_words(flow)}", f"Funnel: {', '.join(flow.stages())}"]
    if flow.declared_events:
        lines.append(f"Events of apps: {', '.join(map(_event, flow.declared_events.items()))}")
    lines.append(f"Kept: {kept_words(flow)}")
    return "\n".join(lines)


def approval_words(flow: FlowDefinition) -> str:
    """Who must approve, in a few words."""
    people = "one person" if flow.approval.people == 1 else "two people"
    return people if flow.approval.none_when is None else f"{people}; nobody if {words_of(flow.approval.none_when)}"


def kept_words(flow: FlowDefinition) -> str:
    """How long what is stored is kept, in a few words."""
    kept = [f"{name.removesuffix('_days')} {days:g} days" for name, days in flow.retention.limits.items()]
    return ", ".join([*kept, "or as the settings say, where that is shorter"]) if kept else "as the settings say"


def _fact(fact: Fact) -> str:
    what = f"one of {', '.join(fact.options)}" if fact.options else fact.kind
    return f"  {fact.name}: {what}"


def _event(declared: tuple[str, Mapping[str, DeclaredProperty]]) -> str:
    name, properties = declared
    return f"{name} ({', '.join(f'{key}: {kind}' for key, kind in properties.items())})" if properties else name


def words_of(condition: Condition) -> str:
    """A condition in words."""
    if condition.all is not None:
        return " and ".join(map(words_of, condition.all))
    if condition.any is not None:
        return f"({' or '.join(map(words_of, condition.any))})"
    if condition.not_ is not None:
        return f"not {words_of(condition.not_)}"
    comparisons = condition.model_dump(exclude_none=True, exclude={"field"})
    [(name, value)] = comparisons.items()
    if name == "given":
        return f"{condition.field} is {'given' if value else 'not given'}"
    if isinstance(value, dict):
        value = value["field"] + (f" + {value['plus']:g}" if value.get("plus") else "")
    if isinstance(value, list):
        value = " or ".join(map(_value, value))
    return f"{condition.field} {name.rstrip('_').replace('_', ' ')} {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _step(step: Step, language: str) -> list[str]:
    lines = [f"   Why: {text_in(step.why, language)}"] if step.why is not None else []
    ways = [*(way for way in step.ways if way != "picture"), *(f"picture of a {kind}" for kind in step.pictures)]
    lines.append(f"   By: {', '.join(ways or step.ways)}{'; may be skipped' if step.skippable else ''}")
    for field in step.fields:
        optional = "" if field.required else ", optional"
        lines.append(f"   - {field.name}: {_kind(field)}{optional}{_condition(field.when)}")
        lines.append(f"     {text_in(field.ask, language)}")
    return lines


def _kind(field: FieldDefinition) -> str:
    match field:
        case NumberField():
            least = f" from {field.minimum:.15g}" if field.minimum is not None else ""
            most = f" to {field.maximum:.15g}" if field.maximum is not None else ""
            return f"number{least}{most}{f' {field.unit}' if field.unit else ''}"
        case ChoiceField():
            return f"one of {', '.join(field.values)}"
        case PersonalField():
            kept = "sealed for another system" if field.keep is Keep.SEALED else f"kept as {field.keep}"
            return f"personal ({' or '.join(field.entities)}), {kept}"
        case PhotoField():
            return f"{field.least} photograph{'s' if field.least > 1 else ''} of {' or '.join(field.pictures)}"
    return field.kind.replace("_", " or ") if field.kind == "yes_no" else field.kind


def _condition(condition: Condition | None) -> str:
    return "" if condition is None else f" (if {words_of(condition)})"
