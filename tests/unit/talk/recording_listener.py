"""What a client tells whoever runs it."""

from __future__ import annotations

import asyncio

from vestibule.v1 import conversation_pb2 as pb


class Listener:
    """Collects what the client hears of."""

    def __init__(self) -> None:
        self.finals: list[int] = []
        self.breaks: list[str] = []
        self.heard = asyncio.Event()

    def event(self, response: pb.ConverseResponse) -> None:
        if response.HasField("final"):
            self.finals.append(response.final.utterance)
            self.heard.set()

    def broke(self, reason: str, pause_s: float) -> None:
        self.breaks.append(reason)
