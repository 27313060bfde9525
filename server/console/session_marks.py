"""The lanes of the timeline of a session: what happened in it, and with what the server worked on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from vestibule.v1 import media_pb2, session_pb2
from vestibule.v1.funnel_pb2 import BreakerChange, GetSessionTimelineResponse, SessionJobAttempt, TimelineEntry

from server.console.entry_words import APP, EntryWords
from server.console.timeline import Lane, Mark, Shape
from server.languages.texts import Texts

_LONGEST: Final = 60
"""Characters of a text in the words of a mark."""
_OUTCOMES: Final[Mapping[str, Shape]] = {"done": "dot", "": "ring", "refused": "square", "released": "square"}
_STREAM: Final[Mapping[str, Shape]] = {
    "stream_opened": "ring",
    "stream_resumed": "triangle",
    "stream_refused": "cross",
    "stream_broken_off": "cross",
    "no_speech": "square",
}
_REPLIES: Final = frozenset({"replied", "replied_late", "reply_interrupted"})
_RECORDS: Final = frozenset({"record_proposed", "record_decided", "decision_refused"})
_ELSEWHERE: Final = frozenset(
    {"turn_finished", "upload_accepted", "upload_read", "upload_failed", "job_retried", "job_failed"}
)
"""Events of what another lane shows by itself."""


class Lanes:
    """The lanes of one session.

    Args:
        timeline: What happened, with attempts at jobs and changes of breakers.
        turns: With their texts.
        uploads: None for whoever may not see them; their lane is then made of the timeline.
        texts: In the language of the page.
        words: For the entries of the timeline.
        begun: When the session began, where the axis begins.
    """

    def __init__(
        self,
        timeline: GetSessionTimelineResponse,
        turns: Sequence[session_pb2.Turn],
        uploads: Sequence[media_pb2.Upload] | None,
        texts: Texts,
        words: EntryWords,
        begun: datetime,
    ) -> None:
        self._timeline = timeline
        self._entries = list(enumerate(timeline.entries, 1))
        self._turns = turns
        self._uploads = uploads
        self._texts = texts
        self._words = words
        self._begun = begun
        self._opened_s = self._after(timeline.session.create_time.ToDatetime())
        self._steps = {entry.name for entry in timeline.entries if entry.kind == "event" and words.is_step(entry)}

    def all(self) -> list[Lane]:
        """The lanes, those of people first."""
        t = self._texts
        return [
            Lane(t("lane_stages"), self._of({"stage_entered"}, "diamond")),
            Lane(t("lane_steps"), self._of(self._steps, "ring")),
            Lane(t("lane_turns"), [self._turn(turn) for turn in self._turns]),
            Lane(t("lane_replies"), [self._reply(n, entry) for n, entry in self._events(_REPLIES)]),
            Lane(t("lane_uploads"), self._files()),
            Lane(t("lane_records"), [self._record(n, entry) for n, entry in self._events(_RECORDS)]),
            Lane(t("lane_app"), self._of_app()),
            Lane(t("lane_streams"), [self._stream(n, entry) for n, entry in self._events(_STREAM)]),
            Lane(t("lane_jobs"), [self._attempt(n, a) for n, a in enumerate(self._timeline.job_attempts, 1)]),
            Lane(t("lane_breakers"), self._breakers(self._timeline.breaker_changes)),
            Lane(t("lane_others"), self._others()),
        ]

    def _after(self, time: datetime) -> float:
        return (time - self._begun).total_seconds()

    def _events(self, names: Mapping[str, object] | frozenset[str] | set[str]) -> list[tuple[int, TimelineEntry]]:
        """Events of the server with these names, each with its number."""
        return [(n, entry) for n, entry in self._entries if _of_server(entry) and entry.name in names]

    def _said(self, entry: TimelineEntry) -> str:
        told = [self._words.of(entry) or entry.name, self._words.detail(entry), _reason(entry)]
        return ": ".join(filter(None, told))

    def _of(self, names: set[str], shape: Shape) -> list[Mark]:
        return [self._mark(n, entry, shape) for n, entry in self._events(names)]

    def _mark(self, n: int, entry: TimelineEntry, shape: Shape, *, href: str = "", bad: bool = False) -> Mark:
        return Mark(self._after(entry.time.ToDatetime()), self._said(entry), href or f"#e{n}", shape, bad=bad)

    def _turn(self, turn: session_pb2.Turn) -> Mark:
        end = self._after(turn.create_time.ToDatetime())
        typed = turn.source == session_pb2.TURN_SOURCE_TYPED
        start = max(0.0, end - turn.spoken.ToTimedelta().total_seconds())
        label = self._texts("turn_typed") if typed else self._texts("turn_spoken")
        text = f"{label}: {_short(turn.text.value) or self._texts('text_left_out')}"
        return Mark(start, text, f"#source-{turn.id}", "square" if typed else "dot", None if typed else end)

    def _reply(self, n: int, entry: TimelineEntry) -> Mark:
        asked = self._after(entry.time.ToDatetime()) - entry.took.ToTimedelta().total_seconds()
        answered = min(
            self._turns, key=lambda turn: abs(self._after(turn.create_time.ToDatetime()) - asked), default=None
        )
        href = f"#source-{answered.id}" if answered is not None else ""
        return self._mark(n, entry, "triangle", href=href, bad=bool(_reason(entry)))

    def _files(self) -> list[Mark]:
        if self._uploads is None:
            return [self._mark(n, entry, "square") for n, entry in self._entries if entry.kind == "upload"]
        return [self._file(upload) for upload in self._uploads]

    def _file(self, upload: media_pb2.Upload) -> Mark:
        kind = media_pb2.MediaKind.Name(upload.kind).removeprefix("MEDIA_KIND_").lower()
        state = media_pb2.UploadState.Name(upload.state).removeprefix("UPLOAD_STATE_").lower()
        text = f"{self._texts(f'media_{kind}')}: {self._texts(f'upload_{state}')} {upload.failure_reason}".strip()
        ended = state in {"done", "failed"}
        return Mark(
            self._after(upload.create_time.ToDatetime()),
            text,
            f"#source-{upload.id}",
            "cross" if state == "failed" else "square",
            self._after(upload.update_time.ToDatetime()) if ended else None,
            bad=state == "failed",
        )

    def _record(self, n: int, entry: TimelineEntry) -> Mark:
        told = {found.key: found.value for found in entry.properties}
        good = told.get("decision") == "approved"
        shape: Shape = "ring" if entry.name == "record_proposed" else "tick" if good else "cross"
        return self._mark(n, entry, shape, bad=entry.name == "decision_refused")

    def _of_app(self) -> list[Mark]:
        own = [(n, entry) for n, entry in self._entries if entry.kind == "event" and entry.source == APP]
        return [self._mark(n, entry, "diamond") for n, entry in own]

    def _stream(self, n: int, entry: TimelineEntry) -> Mark:
        shape = _STREAM[entry.name]
        return self._mark(n, entry, shape, bad=shape == "cross")

    def _attempt(self, n: int, attempt: SessionJobAttempt) -> Mark:
        shape = _OUTCOMES.get(attempt.outcome, "cross")
        kind = self._texts.or_word(f"kind_{attempt.kind}", attempt.kind)
        outcome = self._texts.or_word(f"outcome_{attempt.outcome or 'running'}", attempt.outcome)
        text = f"{self._texts('attempt_number', kind=kind, number=attempt.number)}: {outcome} {attempt.reason}".strip()
        end = self._after(attempt.end_time.ToDatetime()) if attempt.HasField("end_time") else None
        return Mark(
            self._after(attempt.begin_time.ToDatetime()), text, f"#attempt-{n}", shape, end, bad=shape == "cross"
        )

    def _breakers(self, changes: Sequence[BreakerChange]) -> list[Mark]:
        found = []
        for n, change in enumerate(changes, 1):
            at = self._after(change.time.ToDatetime())
            later = (self._after(c.time.ToDatetime()) for c in changes[n:] if c.name == change.name)
            shape: Shape = "cross" if change.state == "open" else "tick" if change.state == "closed" else "ring"
            if at < self._opened_s and change.state == "closed":
                continue  # as it should be, and long ago
            text = f"{change.name}: {self._texts('state_' + change.state.replace('-', '_'))} {change.cause}".strip()
            until = next(later, None) if change.state == "open" else None
            found.append(Mark(max(at, self._opened_s), text, f"#breaker-{n}", shape, until, bad=change.state == "open"))
        return found

    def _others(self) -> list[Mark]:
        shown = {"stage_entered", *self._steps, *_REPLIES, *_RECORDS, *_STREAM, *_ELSEWHERE}
        return [
            self._mark(n, entry, "square")
            for n, entry in self._entries
            if _of_server(entry) and entry.name not in shown
        ]


def _of_server(entry: TimelineEntry) -> bool:
    return entry.kind == "event" and entry.source != APP


def _reason(entry: TimelineEntry) -> str:
    return next((found.value for found in entry.properties if found.key == "reason"), "")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
