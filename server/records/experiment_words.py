"""Reads the file of experiments for persons, once the workers are up. Until then those to be read are not in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from models.errors import InvalidInput
from models.reasons import Reason
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from ray_tasks.types import Gateway
from server.experiments.catalogue import Experiments
from server.experiments.types import Experiment
from server.observability.log import get_logger
from server.records.machine_words import MachineWords, as_value

log = get_logger("experiments")

_WORDS_AT_A_TIME: Final = 200
_INSTRUCTIONS_AT_A_TIME: Final = 20
_REDACT_TIMEOUT_S: Final = 30.0
_MOST_PLACES: Final = 20
"""That are told of one file."""


def in_force_at_start(declared: Experiments) -> Experiments:
    """The experiments before the workers are up: all, if no word of them needs the redactor; otherwise none so far."""
    every = list(declared)
    if all(experiment.words_checked for experiment in every):
        return Experiments(*every)
    return Experiments(to_come=every)


async def put_in_force(experiments: Experiments, declared: Iterable[Experiment], gateway: Gateway) -> None:
    """Add the declared experiments to those in force, unless something in them may name a person.

    Args:
        experiments: Those in force, which all parts of the server share.
        declared: What the file has.
        gateway: Redacts.

    Raises:
        InvalidInput: EXPERIMENT_WORD_PERSONAL, with the places; nothing is added.
        Unavailable: The redactor cannot be reached, or failed; nothing is added.
    """
    every = list(declared)
    unread = sum(experiment.words_checked for experiment in every)
    if unread:
        log.info("experiments_not_read", words_checked=unread)
    wrong = await _personal_places(every, gateway)
    if wrong:
        raise InvalidInput(
            f"The file of experiments may name a person: {'; '.join(wrong[:_MOST_PLACES])}.",
            reason=Reason.EXPERIMENT_WORD_PERSONAL,
            hint="Write other words and start again. If they name nobody, set words_checked: true in that experiment.",
        )
    experiments.add(every)


async def _personal_places(declared: list[Experiment], gateway: Gateway) -> list[str]:
    names, told = dict(_names(declared)), dict(_instructions(declared))
    words = sorted(set(names.values()))
    reader = MachineWords(gateway, as_value)
    personal: set[str] = set()
    for at in range(0, len(words), _WORDS_AT_A_TIME):
        personal |= await reader.personal(words[at : at + _WORDS_AT_A_TIME])
    wrong = {place for place, word in names.items() if word in personal}
    places = list(told)
    for at in range(0, len(places), _INSTRUCTIONS_AT_A_TIME):
        some = places[at : at + _INSTRUCTIONS_AT_A_TIME]
        texts = [RawText(told[place]) for place in some]
        read = await gateway.redact(texts, RedactionContext(TextSource.TYPED), timeout_s=_REDACT_TIMEOUT_S)
        wrong |= {
            place for place, found in zip(some, read, strict=True) if found.entities or not found.text.safe_for_llm
        }
    return [place for place in (*names, *told) if place in wrong]


def _names(declared: list[Experiment]) -> Iterator[tuple[str, str]]:
    """Names with their places. A place has numbers, from 1 in the order of the file: a name would be told in it."""
    for number, experiment in enumerate(declared, start=1):
        if not experiment.words_checked:
            yield f"the name of experiment {number}", experiment.name
            for at, variant in enumerate(experiment.variants, start=1):
                yield f"the name of variant {at} of experiment {number}", variant.name


def _instructions(declared: list[Experiment]) -> Iterator[tuple[str, str]]:
    for number, experiment in enumerate(declared, start=1):
        for at, variant in enumerate(experiment.variants, start=1):
            told = variant.changes.reply_instruction
            if told is not None and not experiment.words_checked:
                yield f"reply_instruction of variant {at} of experiment {number}", told.value
