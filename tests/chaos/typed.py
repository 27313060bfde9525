"""A stream of typed texts, as an app has it: it resumes, and sends again what got no final."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from google.protobuf.duration_pb2 import Duration
from vestibule.v1 import conversation_pb2, recommendation_pb2

from tests.chaos.seen import Seen
from tests.e2e.harness import App, config

if TYPE_CHECKING:
    from tests.chaos.clients import Clients

GIVE_UP_S: Final = 600.0
"""Longest time that a client tries one thing."""


class Typed:
    """One stream of typed texts, over as many connections as it takes."""

    def __init__(self, app: App, session: str, texts: dict[str, str], seen: Seen, *, propose: bool = True) -> None:
        self._propose = propose
        self._app = app
        self._session = session
        self._waiting = dict(texts)
        self._sent = len(texts)
        self._seen = seen
        self._token = ""
        self._stream = ""
        self._finals = 0
        self.proposal = recommendation_pb2.Recommendation()

    async def run(self, clients: Clients) -> None:
        """Until every text has its final and a record is proposed."""
        await clients.patiently(self._connection, "type", GIVE_UP_S)

    async def _connection(self) -> None:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def requests() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            yield self._config()
            await heard.get()
            while self._waiting:
                text_id, text = next(iter(self._waiting.items()))
                yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text, text_id=text_id))
                while text_id in self._waiting:
                    await heard.get()
            if self._propose:
                yield conversation_pb2.ConverseRequest(
                    propose=conversation_pb2.Propose(wait_for_uploads=Duration(seconds=0))
                )
            await asyncio.Event().wait()

        call = self._app.conversations.Converse(requests())
        try:
            async for response in call:
                self._take(response)
                heard.put_nowait("")
                if self.proposal.id or not (self._waiting or self._propose):
                    return
        finally:
            call.cancel()

    def _config(self) -> conversation_pb2.ConverseRequest:
        if not self._token:
            return config(self._session)
        return config(self._session, resume_token=self._token, next_utterance=self._finals)

    def _take(self, response: conversation_pb2.ConverseResponse) -> None:
        match response.WhichOneof("payload"):
            case "configured":
                self._stream, self._token = response.configured.stream_id, response.configured.resume_token
                self._seen.typed_streams[self._stream] = self._sent
            case "final":
                self._finals = response.final.utterance + 1
                self._note(response.final.turn_id)
            case "proposal":
                self.proposal = response.proposal.recommendation

    def _note(self, turn: str) -> None:
        for text_id in list(self._waiting):
            if str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._session}/{text_id}")) == turn:
                del self._waiting[text_id]
                self._seen.typed[text_id] = turn
