"""Says which weights recognise speech and why, for the status report."""

from __future__ import annotations

from typing import Final

from models.errors import VestibuleError
from ray_tasks.types import SpeechModels
from server.ledger.speech_models import SpeechModelsRow
from server.records.status import Component

COMPONENT: Final = "speech_models"
"""Name of the part in the status."""


def component_of(
    in_use: SpeechModelsRow, chosen: SpeechModelsRow, problem: VestibuleError | None, of_settings: str
) -> Component:
    """The part of the status.

    Args:
        in_use: What recognises speech.
        chosen: What was to do so.
        problem: Why it does not, as far as that is known.
        of_settings: Weights without a choice.
    """
    weights, wanted = in_use.weights or of_settings, chosen.weights or of_settings
    if chosen.candidate:
        wanted += f" with the candidate {chosen.candidate}"
    if problem is not None:
        told = f"{wanted} was chosen, and {weights} is used: {problem.message} It is tried again."
        return Component(COMPONENT, False, told, problem.reason)
    if models_of(chosen) != models_of(in_use):
        return Component(COMPONENT, True, f"{wanted} was chosen. {weights} is used until its workers take calls.")
    told = f"{weights}, {'chosen with `vestibule models use`' if in_use.weights else 'as the settings say'}."
    if in_use.candidate:
        told += f" The candidate {in_use.candidate} gets {100 * in_use.share:.6g} % of the finals as well."
    return Component(COMPONENT, True, told)


def models_of(row: SpeechModelsRow) -> SpeechModels:
    """What the cluster is asked for."""
    return SpeechModels(row.weights, row.candidate)
