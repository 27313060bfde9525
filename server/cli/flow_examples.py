"""What the redactor makes of a flow: of the examples, of which a hidden one never reaches its field, and of words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.redaction.types import Redactor
    from server.flows.definition import FlowDefinition


def hidden_examples(flow: FlowDefinition) -> list[str]:
    """One sentence for each field that is not personal and whose example the redactor hides.

    An answer is read as the server reads it: after its question, and as speech.
    """
    from models.redaction.dialogue_context import answering
    from models.redaction.types import RedactionContext
    from models.text import RawText, TextSource
    from server.flows.asking import answer_hints, asked_for
    from server.flows.fields import PersonalField
    from server.flows.texts import text_in

    found = []
    for field in flow.fields.values():
        if isinstance(field, PersonalField) or field.example is None:
            continue
        for language in flow.languages:
            hints = answer_hints(field, flow.step_of(field.name), language)
            context = answering(RedactionContext(TextSource.SPEECH, language), asked_for(field), hints)
            text = _redactor().redact(RawText(text_in(field.example, language)), context).text
            if text.counts:
                kinds = ", ".join(sorted(text.counts))
                found.append(
                    f"the redactor hides the example of {field.name} in {language} as {kinds}. Values like it would "
                    f"not arrive. If they are personal, use kind: personal with entities: [{kinds}]; if they are not, "
                    "list their words under expect."
                )
    return found


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


@cache
def _redactor() -> Redactor:
    from server.cli.offline_run import local_redactor, settings_with
    from server.cli.weights import REDACTION_WEIGHTS

    return local_redactor(settings_with(list(REDACTION_WEIGHTS)), 1)
