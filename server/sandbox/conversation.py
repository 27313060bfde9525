"""The messages with one child, from the server's side. They block, so they run in threads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from models.errors import BrokenMedia, InvalidInput, MediaError, TooLarge, UnsupportedMedia, VestibuleError
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason
from server.sandbox.frames import Kind, left_s, receive, receive_into, send
from server.sandbox.process import ForkServerProcess, Job

MAX_MESSAGE_CHARS: Final = 300
_ERRORS: Final[Mapping[str, type[VestibuleError]]] = {
    kind.__name__: kind for kind in (BrokenMedia, InvalidInput, MediaError, TooLarge, UnsupportedMedia)
}


class Conversation:
    """The messages with one child. Whatever goes wrong is an error of its file.

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

    def send(self, kind: Kind, content: bytes = b"") -> None:
        """Send one message. A child that is gone is noticed when it should answer."""
        try:
            connection = self._open().connection
            connection.settimeout(left_s(self._deadline_s))
            send(connection, kind, content)
        except TimeoutError:
            raise self._failed() from None
        except OSError:
            pass

    def result(self) -> dict[str, Any]:
        """The JSON of a result."""
        try:
            value = json.loads(self.expect(Kind.RESULT))
        except ValueError:
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

    def answer(self) -> tuple[Kind, bytes]:
        """The next answer.

        Raises:
            VestibuleError: The child refused the file; MEDIA_NOT_DECODABLE when there is no answer.
        """
        try:
            kind, content = receive(self._open().connection, deadline_s=self._deadline_s)
        except (OSError, EOFError, ValueError):  # TimeoutError is an OSError
            raise self._failed() from None
        if kind is Kind.ERROR:
            raise self._refusal(content)
        return kind, content

    def piece(self, buffer: memoryview) -> memoryview | None:
        """The next piece of the clean form, in the buffer; None at its end.

        Raises:
            BrokenMedia: MEDIA_NOT_DECODABLE, the child ended, hung or answered nonsense.
        """
        try:
            kind, content = receive_into(self._open().connection, buffer, deadline_s=self._deadline_s)
        except (OSError, EOFError, ValueError):
            raise self._failed() from None
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
        job, self._job = self._job, None
        if job is not None:
            self._process.kill(job)
            job.connection.close()

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Job:
        if self._job is None:
            raise not_decodable()
        return self._job

    def _failed(self) -> BrokenMedia:
        self.close()
        return not_decodable()

    def _refusal(self, content: bytes) -> VestibuleError:
        self.close()
        try:
            answer = json.loads(content)
            kind, reason = _ERRORS[answer["class"]], Reason[answer["reason"]]
            return kind(
                str(answer["message"])[:MAX_MESSAGE_CHARS], reason=reason, hint=str(answer["hint"])[:MAX_MESSAGE_CHARS]
            )
        except (ValueError, KeyError, TypeError):
            return not_decodable()


def not_decodable() -> BrokenMedia:
    """The error for a file whose child died, hung or answered nonsense."""
    return BrokenMedia(
        "The content cannot be decoded within the limits.", reason=Reason.MEDIA_NOT_DECODABLE, hint=EXPORT_AGAIN
    )
