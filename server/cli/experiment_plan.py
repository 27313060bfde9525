"""What `vestibule experiments plan` prints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from server.cli.output import time_json, time_text

if TYPE_CHECKING:
    from vestibule.v1 import experiment_pb2 as pb


def plan_sentences(answer: pb.PlanExperimentResponse, effect: float, variants: int) -> Iterator[str]:
    """The plan for people."""
    from server.languages.formats import Formats

    days = answer.duration.ToTimedelta() / timedelta(days=1)
    count = Formats("en").count
    lasts = f"{days:,.1f} days" if answer.HasField("duration") else "no sessions arrive now"
    whose = "both variants" if variants == 2 else f"all {variants} variants"
    needed, observed = count(answer.session_count), count(answer.observed_count)
    yield f"Finding a change of {effect:g} points needs {needed} {needed:session|sessions} of {whose}: {lasts}."
    yield "With so many anybody may look at the report at any time."
    yield f"A test that is looked at once, at the end, needs {answer.single_look_session_count:,}."
    rate, per_day = f"{100 * answer.rate:.1f} %", f"{answer.sessions_per_day:,.1f}"
    yield f"Today {rate} of sessions are completed, and {per_day} are opened in a day."
    start, end = time_text(answer.observe_start_time), time_text(answer.observe_end_time)
    yield f"That is known from {observed} {observed:session|sessions}, opened from {start} to {end}."


def plan_row(answer: pb.PlanExperimentResponse) -> dict[str, object]:
    """The plan for ``--json``. What is not known is None."""
    days = answer.duration.ToTimedelta() / timedelta(days=1) if answer.HasField("duration") else None
    known = bool(answer.observed_count)
    return {
        "rate": round(answer.rate, 4) if known else None,
        "sessions_per_day": round(answer.sessions_per_day, 1),
        "observed_sessions": answer.observed_count,
        "observed_from": time_json(answer.observe_start_time),
        "observed_to": time_json(answer.observe_end_time),
        "sessions": answer.session_count if known else None,
        "sessions_single_look": answer.single_look_session_count if known else None,
        "days": None if days is None else round(days, 1),
    }
