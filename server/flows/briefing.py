"""What a reply is told about the flow, and what the fallback says without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.text import RedactedText
from server.flows.extraction import TAG, is_mostly_redacted
from server.flows.fields import TextField
from server.flows.phrases import guide_phrases, has_phrases
from server.flows.progress import NO_VALUE, FieldProgress, FieldState, Progress
from server.flows.questions import labels_of, listed_values, newly_noted, question
from server.flows.reading.openings import tells_who
from server.flows.texts import base_language, text_in


@dataclass(frozen=True, slots=True)
class Briefing:
    """What a reply to one turn needs to know.

    Attributes:
        progress: How far the session is, with the turn.
        noted: Fields that the turn answered.
        hidden: Whether the turn said nothing that redaction left, to a question for a text that is still open.
    """

    progress: Progress
    noted: tuple[FieldProgress, ...] = ()
    hidden: bool = False

    @classmethod
    def after(cls, progress: Progress, source_id: str, text: RedactedText, language: str = "en") -> Briefing:
        """The briefing for the reply to a turn, with what it said. A name with which somebody introduces themselves is
        no answer that was hidden.
        """
        noted = tuple(newly_noted(progress, source_id))
        asks_text = progress.current is not None and isinstance(progress.current.field, TextField)
        tagged = TAG.search(text.value) is not None and not tells_who(text.value, base_language(language))
        return cls(progress, noted, hidden=asks_text and not noted and tagged)

    @property
    def partly_hidden(self) -> bool:
        """Whether much of a text that was noted is hidden."""
        return any(isinstance(one.field, TextField) and is_mostly_redacted(one.value.value) for one in self.noted)

    @property
    def only_questions(self) -> bool:
        """Whether no model writes the replies of this flow."""
        return self.progress.flow.assistant.says == "questions"

    def sentences(self, earlier: Sequence[str], language: str) -> tuple[str, ...]:
        """A reply without a model: what was noted, and the one question; each sentence but the last ends in a space.

        A question that the reply before has asked already is not repeated as it is: what is missing is named, with an
        example.

        The whole reply is in the language of the question. If no phrases are in it, the reply is the question alone.

        Args:
            earlier: Replies so far, oldest first.
            language: Of the person; the flow may lack it.
        """
        language = self._language_of_question(language)
        words = guide_phrases(language)
        labels = labels_of([*self.noted], language)
        first = words.noted.format(what=words.listed(labels)) if labels else words.fine
        first = words.hidden if self.hidden else f"{first} {words.partly_hidden}" if self.partly_hidden else first
        if (current := self.progress.current) is None:
            return f"{first} ", words.finished
        asked = question(current, language).value
        if not has_phrases(language):
            return (asked,)
        if not labels and earlier and asked in earlier[-1]:
            reminder = words.still.format(what=current.field.label_in(language))
            reminder = f"{words.hidden} {reminder}" if self.hidden else reminder
            if current.field.example is None:
                return (reminder,)
            return f"{reminder} ", words.example.format(example=text_in(current.field.example, language))
        return f"{first} ", asked

    def _language_of_question(self, language: str) -> str:
        current, flow = self.progress.current, self.progress.flow
        one_language = current is not None and isinstance(current.field.ask, str)
        return flow.languages[0] if one_language else flow.language(language)

    def for_model(self, language: str) -> RedactedText:
        """What the model is told: what is noted, what is missing, and the one thing to ask. Words of a person that a
        field of text holds are left out: they stand in the conversation, as data.

        Args:
            language: Of the question.
        """
        flow, literal = self.progress.flow, RedactedText.literal
        noted = [one for one in self.progress.fields if one.state is FieldState.ANSWERED]
        missing = [one for one in self.progress.fields if one.open]
        parts = [literal(f"You are {flow.assistant.role}. This is about {flow.record.about}.")]
        if noted:
            told = [(one.field, NO_VALUE if isinstance(one.field, TextField) else one.value) for one in noted]
            parts += [literal("Noted so far:"), listed_values(told, language)]
        if self.partly_hidden:
            parts.append(literal("A part of the last answer was hidden as personal data: say so."))
        if self.progress.current is None:
            parts.append(literal("Nothing is missing: say so, and that the person can now check the record."))
        else:
            if self.hidden:
                parts.append(literal("The last answer was hidden as personal data: say so, and ask for other words."))
            parts.append(literal(f"Still missing: {'; '.join(labels_of(missing, language))}."))
            parts += [
                literal("Ask now for this one thing and nothing else:"),
                question(self.progress.current, language),
            ]
            if self.progress.step and self.progress.step.skippable:
                parts.append(literal("The person may skip it."))
        return RedactedText.join([*parts, literal(flow.assistant.instruction)])
