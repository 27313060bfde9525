"""Builds what chooses the weights that recognise speech, and what compares a candidate with them."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from models.errors import WeightsError
from models.weights.store import locate
from models.weights.uses import check_speech, speech_names
from server.settings import Settings
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.shadow import FinalsShadow
from server.streaming.admission import Admission
from server.wiring.shared import Shared


def build_speech_models(
    settings: Settings, shared: Shared, admission: Admission, stack: AsyncExitStack
) -> FinalsShadow:
    """Build both; the choice follows the ledger once it is started. The stack ends what is compared."""
    choice = SpeechModelChoice(
        shared.ledger,
        shared.gateway,
        shared.audit.trail,
        shared.clock,
        settings.speech.weights,
        partial(require_weights, cache=settings.weights_dir),
        restarts=lambda: shared.cluster.state.restarts,
        deployed=lambda: shared.cluster.speech_models,
    )
    shadow = FinalsShadow(
        shared.ledger,
        shared.gateway,
        choice,
        shared.metrics,
        shared.clock,
        chance=random.random,
        busy=lambda: admission.short_of_capacity,
    )
    stack.push_async_callback(shadow.close)
    return shadow


def require_weights(name: str, cache: Path) -> None:
    """Refuse weights that are not in the cache, without repeating a name that nothing has.

    Raises:
        WeightsError: WEIGHTS_UNAVAILABLE; WEIGHTS_OF_ANOTHER_KIND.
    """
    known = speech_names(cache)
    if name not in known:
        check_speech(name, cache)
        raise WeightsError(
            "The server has no weights for speech of this name.",
            hint=f"Name one of {', '.join(known)}. `vestibule models add` adds another Whisper model.",
        )
    locate(name, cache)
