"""Flows and the progress of sessions as messages."""

from __future__ import annotations

from typing import Final

from vestibule.v1 import flow_pb2 as pb
from vestibule.v1 import media_pb2

from server.flows.definition import FlowDefinition, Step
from server.flows.fields import ChoiceField, CodeField, FieldDefinition, NumberField, PhotoField
from server.flows.progress import FieldProgress, FieldState, Progress
from server.flows.questions import question, shown_value
from server.flows.texts import text_in
from server.rpc import convert

_STATES: Final = {
    FieldState.MISSING: pb.FIELD_STATE_MISSING,
    FieldState.ANSWERED: pb.FIELD_STATE_ANSWERED,
    FieldState.SKIPPED: pb.FIELD_STATE_SKIPPED,
    FieldState.DISPUTED: pb.FIELD_STATE_DISPUTED,
}


def flow_message(flow: FlowDefinition, language: str, *, default: bool, whole: bool) -> pb.Flow:
    """A flow.

    Args:
        flow: The flow.
        language: Asked for; the first of the flow where it does not have it.
        default: Whether a session that names none gets it.
        whole: Whether with its facts and steps.
    """
    code = flow.language(language)
    message = pb.Flow(
        name=flow.name,
        version=flow.version,
        title=text_in(flow.title, code),
        description="" if flow.description is None else text_in(flow.description, code),
        languages=flow.languages,
        language=code,
        default=default,
    )
    if whole:
        for fact in flow.facts:
            label = fact.name.replace("_", " ") if fact.label is None else text_in(fact.label, code)
            message.facts.add(name=fact.name, kind=fact.kind, label=label, unit=fact.unit, options=fact.options)
        message.steps.extend(_step(step, code) for step in flow.steps)
    return message


def progress_message(progress: Progress, language: str) -> pb.Progress:
    """How far a session is, in a language that its flow has."""
    flow = progress.flow
    message = pb.Progress(
        flow=flow.name,
        flow_version=flow.version,
        flow_title=text_in(flow.title, language),
        language=language,
        done=progress.done,
        total=len(progress.fields),
        fields=[_field_progress(one, language) for one in progress.fields],
    )
    if progress.current is not None:
        message.question.CopyFrom(_question(progress.current, language))
    return message


def _question(one: FieldProgress, language: str) -> pb.Question:
    step = one.step
    message = pb.Question(
        step=step.name,
        step_title=step.title_in(language),
        skippable=step.skippable or not one.field.required,
        ways=_ways(step),
        picture_kinds=_picture_kinds(step, one.field),
        field=_field(one.field, step, language),
        text=convert.redacted(question(one, language)),
    )
    if one.state is FieldState.DISPUTED:
        message.disagreement.said.CopyFrom(convert.redacted(shown_value(one.field, one.said, language)))
        message.disagreement.pictured.CopyFrom(convert.redacted(shown_value(one.field, one.pictured, language)))
    return message


def _field_progress(one: FieldProgress, language: str) -> pb.FieldProgress:
    message = pb.FieldProgress(
        name=one.field.name,
        label=one.field.label_in(language),
        step=one.step.name,
        state=_STATES[one.state],
        required=one.field.required,
    )
    if one.state in (FieldState.ANSWERED, FieldState.DISPUTED):
        message.value.CopyFrom(convert.redacted(shown_value(one.field, one.value, language)))
        message.way = pb.AnswerWay.Value(f"ANSWER_WAY_{one.way.upper()}")
        message.source_id = one.source_id
    return message


def _step(step: Step, language: str) -> pb.StepDescription:
    return pb.StepDescription(
        name=step.name,
        title=step.title_in(language),
        why="" if step.why is None else text_in(step.why, language),
        skippable=step.skippable,
        ways=_ways(step),
        picture_kinds=_picture_kinds(step),
        fields=[_field(field, step, language) for field in step.fields],
        conditional=step.when is not None,
    )


def _field(field: FieldDefinition, step: Step, language: str) -> pb.FieldDescription:
    why = field.why or step.why
    message = pb.FieldDescription(
        name=field.name,
        kind=pb.FieldKind.Value(f"FIELD_KIND_{field.kind.upper()}"),
        label=field.label_in(language),
        question=text_in(field.ask, language),
        why="" if why is None else text_in(why, language),
        example="" if field.example is None else text_in(field.example, language),
        required=field.required,
        conditional=field.when is not None,
    )
    match field:
        case ChoiceField():
            message.options.extend(
                pb.FieldOption(value=option.value, label=option.label_in(language)) for option in field.options
            )
        case NumberField():
            message.unit = field.unit
            if field.minimum is not None:
                message.minimum = field.minimum
            if field.maximum is not None:
                message.maximum = field.maximum
        case CodeField():
            message.format = field.format
        case PhotoField():
            message.least = field.least
    return message


def _ways(step: Step) -> list[pb.AnswerWay.ValueType]:
    return [pb.AnswerWay.Value(f"ANSWER_WAY_{way.upper()}") for way in step.ways]


def _picture_kinds(step: Step, *fields: FieldDefinition) -> list[media_pb2.MediaKind.ValueType]:
    """Kinds of pictures that answer the step, or one field of it."""
    photos = [field for field in fields or step.fields if isinstance(field, PhotoField)]
    counted = [kind for field in photos for kind in field.pictures]
    return [convert.kind_value(kind) for kind in dict.fromkeys([*step.pictures, *counted])]
