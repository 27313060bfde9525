"""What a page says of names in its address that nothing has."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from vestibule.v1.funnel_pb2 import FunnelNameKind, FunnelWarning

from server.languages.texts import Texts
from server.services.funnel_warnings import named_in


def unknown_texts(warnings: Iterable[FunnelWarning], request: Message, texts: Texts) -> list[str]:
    """A text for each name in a request that nothing has."""
    found = []
    for warning in warnings:
        kind = FunnelNameKind.Name(warning.kind).removeprefix("FUNNEL_NAME_KIND_").lower()
        text = texts(f"unknown_{kind}", name=named_in(request, warning))
        like = texts("unknown_like", name=warning.suggestion) if warning.suggestion else ""
        found.append(f"{text} {like}".strip())
    return found
