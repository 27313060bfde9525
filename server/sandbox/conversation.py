"""The messages with one child, from the server's side. They block, so they run in threads."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from models.errors import BrokenMedia, InvalidInput, MediaError, TooLarge, UnsupportedMedia, VestibuleError
from models.reasons import Reason
from server.sandbox.errors import decoder_unavailable, decoders_busy, not_decodable
from server.sandbox.frames import MAX_FRAME_BYTES, MAX_TEXT_CHARS, Kind, left_s, receive, receive_into, send
from server.sandbox.process import ForkServerProcess, Job

_ERRORS: Final[Mapping[str, type[VestibuleError]]] = {
    kind.__name__: kind for kind in (BrokenMedia, InvalidInput, MediaError, TooLarge, UnsupportedMedia)
}


class Conversation:
    """The messages with one child.

    A child that died or answered nonsense is a fault of its file: MEDIA_NOT_DECODABLE. The CPU time of a child is
    bounded, so one that is late waited for a CPU: DECODERS_BUSY. A fork server that ended takes its children with it:
    DECODER_UNAVAILABLE.

    Args:
        process: Where the child is forked.
        request: The first message.
        wait_s: How long the child may take, until ``within`` says something else.
    """

    def __init__(self, process: ForkServerProcess, request: Mapping[str, Any], wait_s: float) -> None:
        self._process = process
        self._job: Job | None = process.start_job()
        self.within(wait_s)
        self.send(Kind.REQUEST, json.dumps(request).encode())

    def within(self, wait_s: float) -> None:
        """From now on the child may take so long, however many messages it sends."""
        self._deadline_s = time.monotonic() + wait_s

    @contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """Within the block the server works, and not the child."""
        began_s = time.monotonic()
        yield
        self._deadline_s += time.monotonic() - began_s

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Send one message. A child that is gone is noticed when it should answer."""
        try:
            connection = self._open().connection
            connection.settimeout(left_s(self._deadline_s))
            send(connection, kind, content)
        except TimeoutError as error:
            raise self._failed(error) from None
        except OSError:
            pass

    def result(self) -> dict[str, Any]:
        """The JSON of a result."""
        try:
            value = json.loads(self.expect(Kind.RESULT))
        except (ValueError, RecursionError):
            raise self._failed() from None
        if not isinstance(value, dict):
            raise self._failed()
        return value

    def expect(self, wanted: Kind) -> bytes:
        """The content of an answer of this kind."""
        kind, content = self.answer()
        if kind is not wanted:
            raise self._failed()
        return content

    def answer(self, most_bytes: int = MAX_FRAME_BYTES) -> tuple[Kind, bytes]:
        """The next answer, with so many bytes of content.

        Raises:
            VestibuleError: The child refused the file, or there is no answer, see the class.
        """
        try:
            connection = self._open().connection
            kind, content = receive(connection, min(most_bytes, MAX_FRAME_BYTES), deadline_s=self._deadline_s)
        except (OSError, EOFError, ValueError) as error:  # TimeoutError is an OSError
            raise self._failed(error) from None
        if kind is Kind.NOT_STARTED:
            self.close()
            raise decoder_unavailable()
        if kind is Kind.ERROR:
            raise self._refusal(content)
        return kind, content

    def piece(self, buffer: memoryview) -> memoryview | None:
        """The next piece of the clean form, in the buffer; None at its end.

        Raises:
            VestibuleError: There is none, see the class.
        """
        try:
            kind, content = receive_into(self._open().connection, buffer, deadline_s=self._deadline_s)
        except (OSError, EOFError, ValueError) as error:
            raise self._failed(error) from None
        if kind is Kind.END:
            return None
        if kind is not Kind.DATA or not content:
            raise self._failed()
        return content

    def stop(self) -> None:
        """End the child from another thread; the one that waits for an answer gets MEDIA_NOT_DECODABLE."""
        if (job := self._job) is not None:
            self._process.kill(job)

    def close(self) -> None:
        """End the child. Safe to call twice."""
        self._end()

    def _end(self) -> bool:
        """End the child, and tell whether the fork server had it until now."""
        job, self._job = self._job, None
        if job is None:
            return True
        alive = self._process.kill(job)
        job.connection.close()
        return alive

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Job:
        if self._job is None:
            raise not_decodable()
        return self._job

    def _failed(self, error: Exception | None = None) -> VestibuleError:
        if not self._end():
            return decoder_unavailable()
        return decoders_busy() if isinstance(error, TimeoutError) else not_decodable()

    def _refusal(self, content: bytes) -> VestibuleError:
        self.close()
        try:
            answer = json.loads(content)
            kind, reason = _ERRORS[answer["class"]], Reason[answer["reason"]]
            return kind(
                str(answer["message"])[:MAX_TEXT_CHARS], reason=reason, hint=str(answer["hint"])[:MAX_TEXT_CHARS]
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            return not_decodable()
