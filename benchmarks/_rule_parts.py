"""The components of redaction that can be taken out one at a time, and how."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from typing import Any, Final
from unittest import mock

from models.redaction.detection.detections import Detection
from models.redaction.patterns.pattern_recognizer import PatternRecognizer
from models.redaction.postprocess import address_expansion
from models.redaction.recognizers.all import ALL, Recognizer
from models.redaction.recognizers.filters import quantity_context, reference_numbers
from models.redaction.recognizers.spoken.bare_answer import BareAnswerRecognizer
from models.redaction.recognizers.spoken.truncated_entity import TruncatedEntityRecognizer
from models.redaction.slots import (
    addresses,
    announcements,
    entities,
    explanations,
    filling,
    openings,
    spoken_words,
    values,
)
from models.redaction.slots.announcements import Announcements

_PACKAGE: Final = "models.redaction"


@dataclass(frozen=True, slots=True)
class Component:
    """A part of redaction.

    Attributes:
        name: Kind and name.
        recognizer: The recognizer that it is; empty for other parts.
        stage: The stage that it is; empty for other parts.
        in_recognizers: Whether recognizers use it, so that they must run again.
        take_out: Takes it out until the stack is closed.
    """

    name: str
    recognizer: str = ""
    stage: str = ""
    in_recognizers: bool = False
    take_out: Callable[[ExitStack], None] | None = None

    def remove(self, stack: ExitStack) -> None:
        """Take it out until the stack is closed."""
        if self.take_out is not None:
            self.take_out(stack)

    def keeps(self, detection: Detection) -> bool:
        """Whether a detection is there without the component."""
        return not self.recognizer or detection.recognizer is None or detection.recognizer.name != self.recognizer


def components(recognizers: Sequence[Recognizer]) -> Iterator[Component]:
    """All components."""
    for name in dict.fromkeys(recognizer.name for recognizer in recognizers):
        yield Component(f"recognizer {name}", recognizer=name)
    for name in _STAGES:
        yield Component(f"stage {name}", stage=name)
    for function, answer in _STEPS:
        yield _function("step", function, _constant(answer))
    for function, answer in _FILTERS:
        yield _function("filter", function, _constant(answer), in_recognizers=True)
    for owner, name, answer in _METHODS:
        yield _method(owner, name, answer)
    for field in fields(Announcements):
        if field.name in _LISTS:
            yield _list(field.name)


_STAGES: Final = ("tag_slots", "propagate_mentions", "drop_explained", "fill_announced", "expand")
_STEPS: Final[Sequence[tuple[Callable[..., Any], Any]]] = (
    (entities.slot_entities, ()),
    (entities.is_impersonal, False),
    (filling.outside_pauses, ...),
    (filling.without_pauses, ...),
    (address_expansion.with_surroundings, ()),
    (quantity_context.introduces_a_number, False),
    (openings.suspected, ()),
    (openings._noun_at, None),
    (openings._is_sentence, False),
    (filling._further, ()),
    (addresses.mailbox_of, ()),
    (addresses.address_of, ()),
    (explanations._corrects_explained, False),
    (explanations._is_counted, False),
    (explanations._is_time, False),
    (explanations._is_year, False),
    (explanations._is_remark, False),
    (explanations._is_of_thing, False),
    (explanations._is_alone, True),
    (values._resumes, False),
    (values._is_whole, False),
    (values._after, ()),
    (values._before, ()),
    (values._may_pause, True),
)
"""Functions of the stages, with what they answer when they are taken out; ``...`` stands for their last argument."""

_FILTERS: Final[Sequence[tuple[Callable[..., Any], Any]]] = (
    (quantity_context.is_amount, False),
    (quantity_context.is_time_or_day, False),
    (quantity_context.introduced_as, ""),
    (reference_numbers.is_reference_number, False),
    (quantity_context.is_harmless, False),
)
_METHODS: Final[Sequence[tuple[type, str, Any]]] = (
    (TruncatedEntityRecognizer, "_number", None),
    (BareAnswerRecognizer, "_unasked", ()),
    (spoken_words.SpokenWords, "_sounds_as_repair", False),
    (spoken_words.SpokenWords, "_over_joiner", ()),
)
_LISTS: Final = frozenset(
    ["_repairs", "sounds", "stops", "times", "remarks", "objects", "counted", "possession", "alternatives", "articles"]
)


def _constant(answer: Any) -> Callable[..., Any]:
    if answer is ...:
        return lambda *arguments: arguments[-1]
    return lambda *arguments, **named: iter(()) if answer == () else answer


def _modules() -> Iterator[Any]:
    return (module for name, module in list(sys.modules.items()) if name.startswith(_PACKAGE) and module is not None)


def _function(
    kind: str, function: Callable[..., Any], other: Callable[..., Any], *, in_recognizers: bool = False
) -> Component:
    def take_out(stack: ExitStack) -> None:
        for module in _modules():
            for name, value in list(vars(module).items()):
                if value is function:
                    stack.enter_context(mock.patch.object(module, name, other))
        for recognizer in ALL:
            if isinstance(recognizer, PatternRecognizer) and recognizer.unless is function:
                object.__setattr__(recognizer, "unless", other)
                stack.callback(object.__setattr__, recognizer, "unless", function)

    return Component(f"{kind} {function.__name__}", in_recognizers=in_recognizers, take_out=take_out)


def _method(owner: type, name: str, answer: Any) -> Component:
    def take_out(stack: ExitStack) -> None:
        stack.enter_context(mock.patch.object(owner, name, _constant(answer)))

    return Component(f"method {owner.__name__}.{name}", in_recognizers=True, take_out=take_out)


def _list(name: str) -> Component:
    def emptied(language: str) -> Announcements:
        full = announcements.announcements_of(language)
        return replace(full, **{name: type(getattr(full, name))()})

    def take_out(stack: ExitStack) -> None:
        spoken_words._meaningful.cache_clear()
        stack.callback(spoken_words._meaningful.cache_clear)
        stack.enter_context(mock.patch.object(spoken_words, "announcements_of", emptied))

    return Component(f"list {name}", take_out=take_out)
