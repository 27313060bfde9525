"""Asks the vision upstream for the labels of a picture, within the guards of an upstream."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from models.deadline import time_left_s
from models.errors import InvalidInput, UpstreamFailed
from models.reasons import Reason
from server.breakers.types import Outcome
from server.llm.labels import RawLabel, instruction, label_schema, labels_of
from server.llm.openai_errors import failed, judge_llm_error
from server.llm.record_schema import strict_form
from server.llm.shown_picture import ShownPicture
from server.llm.upstream import REMEMBERED, Upstream
from server.llm.vision_client import VisionClient

VISION_API: Final = "vision_api"
"""Name of the breaker of the vision upstream, and of the retry policy of its jobs."""


_OF_THE_PICTURE: Final = frozenset({Reason.UPSTREAM_INVALID_LABELS, Reason.UPSTREAM_EMPTY, Reason.UPSTREAM_HALF_ANSWER})
"""Reasons for which the upstream did answer: a model may refuse a picture in words, with none, or half-way."""


def judge_vision_error(error: Exception) -> Outcome:
    """What an error says about the vision upstream: that of an LLM, and a whole answer of no use says nothing."""
    answered = isinstance(error, UpstreamFailed) and error.reason in _OF_THE_PICTURE
    return Outcome.NOTHING if answered else judge_llm_error(error)


class VisionLabeller:
    """Implements ``server.llm.labels.Labeller``. There is no retry loop here: the job runner owns the retry policy.

    Args:
        client: The endpoint.
        upstream: Its guards.
        most: Labels of one picture.
        clock: Seconds, never going back.
    """

    configured = True

    def __init__(
        self, client: VisionClient, upstream: Upstream, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._most = most
        self._clock = clock
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def willing(self) -> bool:
        """See ``Labeller``."""
        return self._upstream.willing

    async def label(self, picture: ShownPicture, *, language: str, retry: bool) -> list[RawLabel]:
        """See ``Labeller``. Raises UPSTREAM_INVALID_LABELS, too."""
        about = hash(picture.jpeg)  # a picture that fails over and over counts once
        async with self._upstream.attempt(about, self._took_s, "labels", retry=retry, background=True) as guard:
            began, left_s, most_s = self._clock(), time_left_s(), self._upstream.patience.total_s
            guard.late_counts = left_s > most_s
            answer = await self._client.look(
                picture,
                instruction(language, self._most),
                schema=strict_form(label_schema(self._most)),
                timeout_s=min(most_s, left_s),
                span=guard.span,
            )
            try:
                labels = labels_of(answer, self._most)
            except InvalidInput as exc:
                # Its message names the rule only, so it may be kept.
                raise failed(
                    Reason.UPSTREAM_INVALID_LABELS, f"The answer of the vision upstream is refused. {exc.message}"
                ) from exc
            self._took_s.append(self._clock() - began)
            return labels
