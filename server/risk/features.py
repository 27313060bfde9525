"""What is known of a session at a moment, event by event: the same code for past sessions and for a running one.

A moment sees what the server had learnt by then: ``server_time`` counts, not the time at which an app says that a thing
happened. What a person said or showed is in no feature, nor is the client: only times, counts, words that the server
chose, and the typed properties that the session's client declared (``properties.py``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from server.ledger.types import SessionState
from server.risk.properties import MOST_APP_EVENTS, LastValues, Newest, Value

STAGES: Final = (SessionState.STARTED, SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL)
"""The stages in which a session can still be abandoned. Each has a model of its own."""

Kind = Literal["number", "text"]
FEATURES: Final[Mapping[str, Kind]] = {
    "idle_s": "number",
    "time_in_stage_s": "number",
    "time_in_started_s": "number",
    "time_in_progress_s": "number",
    "no_speech": "number",
    "upload_refused": "number",
    "stream_refused": "number",
    "stream_resumed": "number",
    "stream_broken_off": "number",
    "upload_failed": "number",
    "uploads": "number",
    "uploads_waiting": "number",
    "upload_read_s": "number",
    "document": "text",
    "turns": "number",
    "talk_s": "number",
    "recognition_delay_s": "number",
    "recognition_confidence": "number",
    "language_spoken": "text",
    "language_asked": "text",
    "redactions": "number",
    "wait_for_reply_s": "number",
    "reply_waiting_s": "number",
    "fallback_reply": "number",
    "late_reply": "number",
    "job_retried": "number",
    "job_failed": "number",
    "fallback_record": "number",
    "step_repeated": "number",
    "app_events": "number",
    "app_events_different": "number",
    "app_events_repeated": "number",
}
"""What a model may look at besides properties. ``server/risk/texts.yaml`` says what each is."""

COUNTED: Final = {
    "no_speech": "no_speech",
    "upload_refused": "upload_refused",
    "stream_refused": "stream_refused",
    "stream_resumed": "stream_resumed",
    "stream_broken_off": "stream_broken_off",
    "upload_failed": "upload_failed",
    "upload_accepted": "uploads",
    "turn_finished": "turns",
    "replied_late": "late_reply",
    "job_retried": "job_retried",
    "job_failed": "job_failed",
}
"""Events of the server of which the number counts, and the feature that it is."""

_WITH_PROPERTIES: Final = frozenset({"turn_finished", "replied", "replied_late", "upload_accepted", "record_proposed"})


class Row(NamedTuple):
    """An event. Times are seconds since 1970.

    Attributes:
        at_s: When the server learnt of it.
        own: Whether it is the server's own.
        stage: That was entered.
        took_s: What it took, in seconds.
        properties: As JSON.
        properties_meta: Of an app's event, what these are, as JSON too.
        event_s: When it happened.
        sequence: As the app counts; 0 where it does not.
    """

    at_s: float
    name: str
    own: bool
    stage: str | None
    took_s: float | None
    properties: str
    properties_meta: str
    event_s: float
    sequence: int


_STAGE_ORDER: Final = {None: -1} | {str(stage): place for place, stage in enumerate(STAGES)}


def in_order(rows: Sequence[Row]) -> list[Row]:
    """The events of one session in the order in which the server learnt of them.

    Those that it learnt of at one time are in the order of ``server.ledger.event_order``. Two stages may be entered at
    one time: the later one comes last, after all else of that time.

    Args:
        rows: In the order of their ids.
    """
    times = [row.event_s for row in rows]
    latest: dict[float, float] = {}
    for place in sorted(range(len(rows)), key=lambda place: (rows[place].sequence, times[place])):
        row = rows[place]
        if row.sequence:
            times[place] = latest[row.at_s] = max(row.event_s, latest.get(row.at_s, row.event_s))

    def order(place: int) -> tuple[float, int, float, int]:
        row = rows[place]
        return row.at_s, _STAGE_ORDER.get(row.stage, len(STAGES)), times[place], row.sequence

    return [rows[place] for place in sorted(range(len(rows)), key=order)]


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    number: int = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.total += value
            self.number += 1

    @property
    def value(self) -> float | None:
        return self.total / self.number if self.number else None


@dataclass(slots=True)
class Known:
    """What is known of one session; its events are added in the order in which the server learnt of them.

    Attributes:
        language_asked: Language that the app asked for; empty means detected.
        last: Properties of the app's events.
        stage: The present stage; empty before the first event.
    """

    language_asked: str
    last: LastValues
    stage: str = ""
    _counts: dict[str, int] = field(default_factory=dict)
    _entered: dict[str, float] = field(default_factory=dict)
    _app_events: int = 0
    _app_names: Newest[None] = field(default_factory=Newest)
    _last_s: float = 0.0
    _stage_s: float = 0.0
    _turn_s: float | None = None
    _wait_s: float | None = None
    _talk_s: float = 0.0
    _redactions: float = 0.0
    _read: _Mean = field(default_factory=_Mean)
    _delay: _Mean = field(default_factory=_Mean)
    _confidence: _Mean = field(default_factory=_Mean)
    _document: str | None = None
    _language: str | None = None

    def add(self, row: Row) -> None:
        """Learn of one more event."""
        at_s, name, own, stage, took_s, properties, meta, _, _ = row
        self._last_s = at_s
        if not own:
            self._app_event(name, properties, meta)
            return
        if name in COUNTED:
            self._count(COUNTED[name])
        given: dict[str, Any] = json.loads(properties) if name in _WITH_PROPERTIES else {}
        match name:
            case "stage_entered":
                self._enter(stage or "", at_s)
            case "turn_finished":
                self._turn(at_s, took_s, given)
            case "replied" | "replied_late":
                self._turn_s = None
                self._wait_s = _largest(self._wait_s, took_s)
                self._count("fallback_reply", given.get("origin") == "FALLBACK")
            case "upload_accepted":
                self._document = self._document or given.get("kind")
            case "upload_read":
                self._read.add(took_s)
            case "record_proposed":
                self._count("fallback_record", given.get("origin") == "FALLBACK")

    def at(self, moment_s: float) -> dict[str, Value]:
        """Every feature and every property at a moment that is not before the last event, by name."""
        known: dict[str, Value] = {
            name: float(self._counts.get(name, 0)) for name, kind in FEATURES.items() if kind == "number"
        }
        done = self._read.number + self._counts.get("upload_failed", 0)
        known |= {
            "idle_s": moment_s - self._last_s,
            "time_in_stage_s": moment_s - self._stage_s,
            "time_in_started_s": self._between(SessionState.STARTED, SessionState.IN_PROGRESS),
            "time_in_progress_s": self._between(SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL),
            "uploads_waiting": float(max(0, self._counts.get("uploads", 0) - done)),
            "upload_read_s": self._read.value,
            "document": self._document,
            "talk_s": self._talk_s,
            "recognition_delay_s": self._delay.value,
            "recognition_confidence": self._confidence.value,
            "language_spoken": self._language,
            "language_asked": self.language_asked or "none",
            "redactions": self._redactions,
            "wait_for_reply_s": self._wait_s,
            "reply_waiting_s": 0.0 if self._turn_s is None else moment_s - self._turn_s,
        }
        return known | self._of_app() | self.last.values

    def _app_event(self, name: str, properties: str, meta: str) -> None:
        self._app_events += 1
        self._app_names.put(name, None, self._app_events)
        self._app_names.forget(self._app_events, MOST_APP_EVENTS)
        self.last.add(properties, meta, self._app_events)

    def _of_app(self) -> dict[str, Value]:
        events, different = min(self._app_events, MOST_APP_EVENTS), len(self._app_names.values)
        return {
            "app_events": float(events),
            "app_events_different": float(different),
            "app_events_repeated": float(events - different),
        }

    def _count(self, name: str, more: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + more

    def _enter(self, stage: str, at_s: float) -> None:
        self._count("step_repeated", stage == SessionState.IN_PROGRESS and stage in self._entered)
        self._entered.setdefault(stage, at_s)
        self.stage, self._stage_s = stage, at_s

    def _turn(self, at_s: float, took_s: float | None, given: dict[str, Any]) -> None:
        self._turn_s = at_s
        self._redactions += _number(given.get("entities")) or 0.0
        if given.get("source") == "speech":
            self._talk_s += (_number(given.get("spoken_ms")) or 0.0) / 1000
            delay_ms = _number(given.get("delay_ms"))
            self._delay.add(took_s if delay_ms is None else delay_ms / 1000)
            self._confidence.add(_number(given.get("confidence_percent")))
            self._language = given.get("language") or self._language

    def _between(self, first: SessionState, following: SessionState) -> float | None:
        if first not in self._entered or following not in self._entered:
            return None
        return max(0.0, self._entered[following] - self._entered[first])


def _number(value: Any) -> float | None:
    """A property as a number. Older events have numbers as texts."""
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def _largest(known: float | None, value: float | None) -> float | None:
    return known if value is None else max(known or 0.0, value)
