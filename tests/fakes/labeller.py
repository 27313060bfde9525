"""A vision upstream whose answers are written by the test."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from models.errors import VestibuleError
from server.llm.labels import RawLabel
from server.llm.shown_picture import ShownPicture

LABELS = [RawLabel("water meter", 0.9), RawLabel("brick wall", 0.4)]


@dataclass
class FakeLabeller:
    """Implements ``server.llm.labels.Labeller``; answers come from a queue, then ``LABELS``.

    Attributes:
        seen: Every picture that it got, with the language and whether it was a retry.
        held: Calls wait until it is set.
    """

    configured: bool = True
    willing: bool = True
    seen: list[tuple[ShownPicture, str, bool]] = field(default_factory=list)
    held: asyncio.Event | None = None
    answers: deque[list[RawLabel] | VestibuleError] = field(default_factory=deque)

    async def label(self, picture: ShownPicture, *, language: str, retry: bool) -> list[RawLabel]:
        """See ``Labeller``."""
        self.seen.append((picture, language, retry))
        if self.held is not None:
            await self.held.wait()
        answer = self.answers.popleft() if self.answers else LABELS
        if isinstance(answer, VestibuleError):
            raise answer
        return answer
