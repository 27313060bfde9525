"""The facts of a flow on the page for newcomers: its inputs, what a form gives for them, and which one does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vestibule.v1 import flow_pb2

from models.errors import InvalidInput
from server.console.problem_texts import Told, told_of
from server.languages.texts import Texts

_PLACE: Final = re.compile(r'facts\["(\w+)"\]')
"""The path of a fact in a request."""
_RULES: Final = {"number": "try_fact_number", "date": "try_fact_date", "word": "try_fact_word"}
"""Texts that say what fits, by the kind of a fact. A list of options offers nothing that does not."""


@dataclass(frozen=True, slots=True)
class FactInput:
    """One input of the form.

    Attributes:
        name: Of the input: facts of all flows stand in one form, since without scripts all of them are shown.
        label: In the language of its flow.
        kind: number, yes_no, date, word, or choice for a word with options.
        value: As it was sent before; empty at first.
        wrong: Whether that was refused.
    """

    name: str
    label: str
    unit: str
    kind: str
    options: tuple[str, ...]
    value: str
    wrong: bool


def fact_inputs(flow: flow_pb2.Flow, form: Mapping[str, str], wrong: str = "") -> list[FactInput]:
    """The inputs for the facts of a flow.

    Args:
        flow: With its facts.
        form: As it was sent before; empty at first.
        wrong: The fact of this flow that was refused; empty for none.
    """
    return [
        FactInput(
            name=(name := _input(flow.name, fact.name)),
            label=fact.label,
            unit=fact.unit,
            kind="choice" if fact.options else fact.kind,
            options=tuple(fact.options),
            value=form.get(name, ""),
            wrong=fact.name == wrong,
        )
        for fact in flow.facts
    ]


def facts_in(form: Mapping[str, str], flow: str) -> dict[str, str]:
    """The facts that a form gives for a flow. An input that was left empty gives none."""
    start = _input(flow, "")
    return {
        name.removeprefix(start): value.strip()
        for name, value in form.items()
        if name.startswith(start) and value.strip()
    }


def refused_fact(error: InvalidInput) -> str:
    """The name of the fact that the server refused; empty where it names none."""
    places = (_PLACE.fullmatch(one.field) for one in error.violations)
    return next((found[1] for found in places if found), "")


def told_of_start(error: InvalidInput, facts: Sequence[FactInput], texts: Texts) -> Told:
    """What the page says when a session was refused: which fact does not fit and what would, if that is why.

    Args:
        error: Of the server.
        facts: Those of the chosen flow.
        texts: In the language of the page.
    """
    fact = next((one for one in facts if one.wrong), None)
    rule = None if fact is None else _RULES.get(fact.kind)
    return told_of(error, texts) if fact is None or rule is None else Told(texts(rule, fact=fact.label))


def _input(flow: str, fact: str) -> str:
    return f"fact.{flow}.{fact}"
