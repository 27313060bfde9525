"""What the redactor makes of the examples in a flow: a value that it hides never reaches its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.flows.definition import FlowDefinition


def hidden_examples(flow: FlowDefinition) -> list[str]:
    """One sentence for each field that is not personal and whose example the redactor hides.

    An answer is read as the server reads it: after its question, and as speech.
    """
    from models.redaction.dialogue_context import answering
    from models.redaction.types import RedactionContext
    from models.text import RawText, TextSource
    from server.cli.offline_run import local_redactor, settings_with
    from server.cli.weights import REDACTION_WEIGHTS
    from server.flows.asking import answer_hints, asked_for
    from server.flows.fields import PersonalField
    from server.flows.texts import text_in

    found = []
    redactor = None
    for field in flow.fields.values():
        if isinstance(field, PersonalField) or field.example is None:
            continue
        if redactor is None:
            redactor = local_redactor(settings_with(list(REDACTION_WEIGHTS)), 1)
        for language in flow.languages:
            hints = answer_hints(field, flow.step_of(field.name), language)
            context = answering(RedactionContext(TextSource.SPEECH, language), asked_for(field), hints)
            text = redactor.redact(RawText(text_in(field.example, language)), context).text
            if text.counts:
                kinds = ", ".join(sorted(text.counts))
                found.append(
                    f"the redactor hides the example of {field.name} in {language} as {kinds}. Values like it would "
                    f"not arrive. If they are personal, use kind: personal with entities: [{kinds}]; if they are not, "
                    "list their words under expect."
                )
    return found
