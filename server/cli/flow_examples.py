"""What may be wrong in a flow: examples that would not arrive, words that may name a person, and unknown events."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.redaction.types import Redactor
    from server.flows.definition import FlowDefinition
    from server.flows.fields import FieldDefinition


def useless_examples(flow: FlowDefinition) -> list[str]:
    """One sentence for each field whose example would not arrive.

    Of a field that is not personal the redactor hides it; of a personal one it does not find the value. An answer is
    read as the server reads it: after its question, and as speech.
    """
    from server.flows.fields import PersonalField

    found = []
    for field in flow.fields.values():
        for language in flow.languages if field.example is not None else ():
            hidden = sorted(_entities_of_example(flow, field, language))
            if not isinstance(field, PersonalField):
                if hidden:
                    found.append(_told_of_hidden(field, language, ", ".join(hidden)))
            elif not set(field.accepted).intersection(hidden):
                instead = f", but {', '.join(hidden)}" if hidden else ""
                found.append(
                    f"the redactor finds no {' or '.join(field.entities)} in the example of {field.name} in "
                    f"{language}{instead}. Values like it would not arrive. Correct the example or the entities."
                )
    return found


def _told_of_hidden(field: FieldDefinition, language: str, kinds: str) -> str:
    from server.flows.fields import CodeField

    advice = _advice_for_code(field.format) if isinstance(field, CodeField) else "list their words under expect"
    return (
        f"the redactor hides the example of {field.name} in {language} as {kinds}. Values like it would not arrive. If "
        f"they are personal, use kind: personal with entities: [{kinds}]; if they are not, {advice}."
    )


def _advice_for_code(code_format: str) -> str:
    from server.flows.code_format import asks_for_letter

    if not asks_for_letter(code_format):
        return "give the codes and their format letters of their own, such as MV-: others may be any number of a person"
    return (
        "correct the example or the format: what has the whole format stays readable, unless it also is a number of a "
        "card, an account or a document"
    )


def _entities_of_example(flow: FlowDefinition, field: FieldDefinition, language: str) -> Collection[str]:
    """The entity types that the redactor finds in the example of a field."""
    from models.redaction.dialogue_context import answering
    from models.redaction.types import RedactionContext, RedactionScope
    from models.text import RawText, TextSource
    from server.flows.asking import answer_hints, asked_for, flow_words
    from server.flows.texts import text_in

    hints = answer_hints(field, flow, language)
    scope = RedactionScope(flow_words=flow_words(flow))
    context = answering(RedactionContext(TextSource.SPEECH, language, scope=scope), asked_for(field), hints)
    return _redactor().redact(RawText(text_in(field.example or "", language)), context).text.counts.keys()


def personal_words(flow: FlowDefinition) -> list[str]:
    """One sentence for each name, key and value of its declared events that may name a person."""
    from models.redaction.types import RedactionContext
    from models.text import TextSource
    from server.records.declared_events import word_places
    from server.records.machine_words import as_value
    from server.records.program_words import is_of_programs

    words = dict.fromkeys(word for word, _ in word_places(flow.declared_events) if not is_of_programs(word))
    context = RedactionContext(TextSource.TYPED)
    return [
        f"{word} in events may name a person. It would be stored and shown as it is."
        for word in words
        if _redactor().redact(as_value(word), context).entities
    ]


def unknown_stages(flow: FlowDefinition) -> list[str]:
    """One sentence for each stage of its funnel that is an event of which neither the flow nor the server knows."""
    from server.records.event_catalogue import EVENTS

    known = {*(EVENTS.keys() - {"stage_entered"}), *flow.events, *(step.event for step in flow.steps)}
    return [
        f"{stage} in funnel.stages is no event of the server, and events does not declare it. Unless an app sends it, "
        "no session reaches this stage."
        for stage in flow.funnel.stages
        if stage.islower() and stage not in known
    ]


@cache
def _redactor() -> Redactor:
    from server.cli.offline_run import local_redactor, settings_with
    from server.cli.weights import REDACTION_WEIGHTS

    return local_redactor(settings_with(list(REDACTION_WEIGHTS)), 1)
