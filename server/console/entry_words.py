"""What the entries of a timeline are called, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vestibule.v1.funnel_pb2 import TimelineEntry

from server.languages.texts import Texts
from server.records.event_catalogue import STEP_PREFIX

APP: Final = "app"
"""Source of an event that an app recorded. Apps may name their events as the server names its own."""
_NAMES: Final = {"turn": "source_", "upload": "media_", "dead_letter": "kind_"}
"""Of an entry that is no event: how the keys of texts for its names begin."""
_DETAILS: Final = {"upload": "upload_", "recommendation": "record_"}
"""The same for its details."""


class EntryWords:
    """Words for entries.

    Args:
        texts: In the language of the page.
        steps: Titles of the steps of the flow of the session, by name; empty where it is not known.
    """

    def __init__(self, texts: Texts, steps: Mapping[str, str]) -> None:
        self._texts = texts
        self._steps = steps

    def of_event(self, entry: TimelineEntry) -> str:
        """An event of the server; empty for one of an app, whatever its name is."""
        if entry.source == APP:
            return ""
        if not self.is_step(entry):
            return self._texts.or_word(f"event_{entry.name}", entry.name)
        title = self._steps.get(entry.name.removeprefix(STEP_PREFIX), "")
        return self._texts("step_titled", title=title) if title else self._texts("step_untitled")

    def is_step(self, entry: TimelineEntry) -> bool:
        """Whether an event of the server says that somebody came to a step of the flow."""
        if entry.source == APP or not entry.name.startswith(STEP_PREFIX):
            return False
        return not self._texts.or_word(f"event_{entry.name}", "")

    def of(self, entry: TimelineEntry) -> str:
        """An entry; empty for the event of an app."""
        if entry.kind == "event":
            return self.of_event(entry)
        kind = self._texts.or_word(f"entry_{entry.kind}", entry.kind)
        if entry.kind == "recommendation":
            return f"{kind}, {self._texts('record_by_fallback')}" if entry.name == "FALLBACK" else kind
        return f"{kind}, {self._texts.or_word(_NAMES.get(entry.kind, '') + entry.name, entry.name)}"

    def detail(self, entry: TimelineEntry) -> str:
        """Its stage or state; a machine word where there is no text for it."""
        if entry.kind == "turn":
            return self._texts("turn_reply_fallback") if entry.detail == "FALLBACK" else ""
        if entry.kind in _DETAILS:
            return self._texts.or_word(_DETAILS[entry.kind] + entry.detail.lower(), entry.detail)
        return self._texts.or_word(f"stage_{entry.detail}", entry.detail)
