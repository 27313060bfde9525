"""Client of an OpenAI-compatible endpoint that takes pictures."""

from __future__ import annotations

from typing import Any, Final, cast

import httpx2
from openai.types.chat import ChatCompletionMessageParam

from models.text import RedactedText
from models.tracing.spans import NO_SPAN, Span
from server.llm.openai_client import AnswerForm, ChatUpstream
from server.llm.prompts import prompt
from server.llm.shown_picture import ShownPicture

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Largest body of one answer; twenty labels take about 2 kB."""

MAX_ANSWER_TOKENS: Final = 1000


class VisionClient(ChatUpstream):
    """The vision upstream. It is sent pictures of the type ``ShownPicture`` only. Arguments as for ``ChatUpstream``."""

    def __init__(
        self, base_url: str, api_key: str, model: str, *, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(
            base_url, api_key, model, transport=transport, called="vision upstream", answer_bytes=MAX_ANSWER_BYTES
        )

    async def look(
        self,
        picture: ShownPicture,
        instruction: RedactedText,
        *,
        schema: dict[str, Any],
        timeout_s: float,
        span: Span = NO_SPAN,
    ) -> str:
        """Return a whole answer about a picture, which should be JSON of the schema; the caller must check it.

        Raises:
            VestibuleError: As for ``complete``.
        """
        if not isinstance(picture, ShownPicture):
            raise TypeError("Only redacted pictures are sent.")
        told = prompt("system", instruction)
        shown = [{"type": "image_url", "image_url": {"url": picture.data_url}}]
        messages = [{"role": told.role, "content": told.content}, {"role": "user", "content": shown}]
        return await self._complete(
            cast("list[ChatCompletionMessageParam]", messages),
            AnswerForm("labels", schema, MAX_ANSWER_TOKENS),
            timeout_s,
            span,
        )
