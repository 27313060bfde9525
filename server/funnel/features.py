"""What the ledger knows of each session before it went on or left, as columns for the search for causes.

A feature is known from a stage on, and counts only what happened before the session left that stage: what comes later
cannot explain it. So a thing that may happen in several stages has a column for each: ``no_speech`` until the end of
STARTED, ``no_speech@2`` until the end of IN_PROGRESS. What grows for as long as a session goes on, such as the length
of the talk, is known only when the stage is over, and explains the next one.

In a funnel of other steps the same things are columns for each step, and the way to a step takes the place of a stage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from server.funnel.coding import NOTHING
from server.funnel.steps import Steps

Kind = Literal["flag", "number", "text"]
AT: Final = "@"
"""Between the name of a feature and the stage until whose end it counts, if that is not the first one possible."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column.

    Attributes:
        name: As the texts and the report name it.
        kind: A flag is true where the thing happened.
        known_at: Number of the stage, from 1, at which it is known. It explains leaving that stage and later ones.
        sql: Expression over the rows of ``events`` of a session (``e``, with ``stage_number``), over its turns (``t``)
            or over the session (``s``). ``{k}`` stands for ``known_at``.
        source: Which of the three.
        until: Numbers of later stages for which there is a column, too.
    """

    name: str
    kind: Kind
    known_at: int
    sql: str
    source: Literal["events", "turns", "session"] = "events"
    until: tuple[int, ...] = ()

    @property
    def grows(self) -> bool:
        """Whether it grows for as long as a step lasts, so that it is known when the step is over."""
        return "stage_number < {k}" in self.sql


def _happened(condition: str) -> str:
    return f"bool_or({condition}) FILTER (stage_number <= {{k}})"


def _first(value: str, *names: str) -> str:
    listed = ", ".join(f"'{name}'" for name in names)
    return f"arg_min({value}, event_time) FILTER (name IN ({listed}) AND stage_number <= {{k}})"


def _first_said(value: str) -> str:
    """Of the first spoken turn. A mean over all turns would change with their number, so with how far sessions come."""
    return _first(f"CASE p[2] WHEN 'speech' THEN {value} END", "turn_finished")


def _or_none(value: str) -> str:
    return f"coalesce({value}, 'none')"


_TURN = "name = 'turn_finished'"
_CORRECTED = "name = 'field_decided' AND p[9] IN ('corrected', 'rejected')"

SESSION_FEATURES: Final = (
    Feature("client", "text", 1, "s.client_id", "session"),
    Feature("variant", "text", 1, "s.variant", "session"),
    Feature("language_asked", "text", 1, "CASE s.language WHEN '' THEN 'none' ELSE s.language END", "session"),
    Feature("weekday", "text", 1, "dayname(s.create_time)", "session"),
    Feature("hour", "number", 1, "hour(s.create_time)", "session"),
    Feature("time_in_started_s", "number", 2, "epoch(enter_2 - enter_1)", "session"),
    Feature("time_in_progress_s", "number", 3, "epoch(enter_3 - enter_2)", "session"),
)
EVENT_FEATURES: Final = (
    Feature("no_speech", "flag", 1, _happened("name = 'no_speech'"), until=(2,)),
    Feature("upload_refused", "flag", 1, _happened("name = 'upload_refused'"), until=(2,)),
    Feature("refusal", "text", 1, f"coalesce({_first('p[1]', 'upload_refused')}, '{NOTHING}')", until=(2,)),
    Feature("stream_refused", "flag", 1, _happened("name = 'stream_refused'"), until=(2,)),
    Feature("stream_resumed", "flag", 1, _happened("name = 'stream_resumed'"), until=(2,)),
    Feature("stream_broken_off", "flag", 1, _happened("name = 'stream_broken_off'"), until=(2,)),
    Feature(
        "first_input",
        "text",
        2,
        _first(f"CASE WHEN {_TURN} THEN p[2] ELSE p[3] END", "turn_finished", "upload_accepted"),
    ),
    Feature("recognition_delay_s", "number", 2, _first_said("coalesce(TRY_CAST(p[8] AS DOUBLE) / 1000, took_s)")),
    Feature("recognition_confidence", "number", 2, _first_said("TRY_CAST(p[4] AS DOUBLE) / 100")),
    Feature("language_spoken", "text", 2, _first_said("p[5]")),
    Feature("redactions", "number", 2, _first("TRY_CAST(p[6] AS DOUBLE)", "turn_finished")),
    Feature(
        "wait_for_reply_s",
        "number",
        2,
        """epoch(min(event_time) FILTER (name = 'replied' AND stage_number <= {k})
            - min(event_time) FILTER (name = 'turn_finished' AND stage_number <= {k}))""",
    ),
    Feature("fallback_reply", "flag", 2, _happened("name = 'replied' AND p[7] = 'FALLBACK'")),
    Feature("late_reply", "flag", 2, _happened("name = 'replied_late'")),
    Feature("upload_failed", "flag", 2, _happened("name = 'upload_failed'")),
    Feature("upload_read_s", "number", 3, "avg(took_s) FILTER (name = 'upload_read' AND stage_number < {k})"),
    Feature("document", "text", 3, _or_none(_first("p[3]", "upload_accepted"))),
    Feature("field_corrected", "flag", 3, _happened(_CORRECTED)),
    Feature(
        "corrected_field",
        "text",
        3,
        f"coalesce(arg_min(p[10], event_time) FILTER ({_CORRECTED} AND stage_number <= {{k}}), '{NOTHING}')",
    ),
    Feature("fallback_record", "flag", 3, _first("p[7] = 'FALLBACK'", "record_proposed")),
    Feature(
        "step_repeated",
        "flag",
        3,
        "count(*) FILTER (name = 'stage_entered' AND stage = 'IN_PROGRESS' AND stage_number <= {k}) > 1",
    ),
)
TURN_FEATURES: Final = (
    Feature("unsafe_text", "flag", 2, "bool_or(NOT t.text_safe) FILTER (stage_number <= {k})", "turns"),
    Feature("talk_s", "number", 3, "sum(t.end_s - t.start_s) FILTER (stage_number < {k})", "turns"),
    Feature("turns", "number", 3, "count(*) FILTER (stage_number < {k})", "turns"),
)
BREAKER_OPEN: Final = Feature("breaker_open", "flag", 1, "", "session", until=(2, 3))
"""Whether a breaker was open while the session was in the stage. It comes from the events of the server."""

PATHS: Final = (
    *("reason", "source", "kind", "confidence_percent", "language", "entities", "origin", "delay_ms"),
    *("decision", "field"),
)
"""The properties of events of the server that the expressions read, ``p[1]`` and so on."""
NAMES: Final = (
    *("no_speech", "upload_refused", "turn_finished", "upload_accepted", "replied", "replied_late"),
    *(
        "stream_refused",
        "stream_resumed",
        "stream_broken_off",
        "upload_failed",
        "upload_read",
        "record_proposed",
        "field_decided",
        "stage_entered",
    ),
)

OF_STAGES: Final = (*SESSION_FEATURES, *EVENT_FEATURES, *TURN_FEATURES)
OWN: Final = (*OF_STAGES, BREAKER_OPEN)
"""Every feature of the server's own; the properties of apps' events come on top."""
_TIME_TO, _SECONDS = "time_to_", "_s"


def features_of(steps: Steps) -> tuple[Feature, ...]:
    """The features that are read for a funnel: those of the stages, or for other steps the same for each step."""
    if steps.of_stages:
        return OF_STAGES
    last = len(steps.names) - 1
    timeless = (feature for feature in OF_STAGES if not feature.name.startswith("time_in_"))
    return (*map(_time_to, range(1, last + 1), steps.names), *(_at_each(feature, last) for feature in timeless))


def _at_each(feature: Feature, last: int) -> Feature:
    """A feature of stages as one of the steps up to ``last``."""
    if feature.source == "session":
        return feature
    first = 2 if feature.grows else 1
    return replace(feature, known_at=first, until=tuple(range(first + 1, last + 1)))


def _time_to(number: int, name: str) -> Feature:
    """Seconds to a step from the one before; to the first one from the opening of the session."""
    before = f"enter_{number - 1}" if number > 1 else "s.create_time"
    took = f"greatest(0, epoch(enter_{number} - {before}))"  # An app's clock may be behind the server's.
    return Feature(f"{_TIME_TO}{name}{_SECONDS}", "number", number, took, "session")


def timed_step(feature: str) -> str:
    """The step, where a feature is the seconds to it; otherwise empty."""
    timed = feature.startswith(_TIME_TO) and feature.endswith(_SECONDS)
    return feature.removeprefix(_TIME_TO).removesuffix(_SECONDS) if timed else ""


def column_name(feature: str, stage: int, known_at: int) -> str:
    """The name of the column of a feature that counts until the end of a stage."""
    return feature if stage == known_at else f"{feature}{AT}{stage}"


def feature_name(column: str) -> str:
    """The feature of a column."""
    return column.partition(AT)[0]
