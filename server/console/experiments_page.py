"""The pages of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from starlette.responses import Response
from vestibule.v1 import experiment_pb2 as pb

from models.errors import InvalidInput
from models.reasons import Reason
from server.console.charts import Chart, Span, change_chart
from server.console.page import texts_of
from server.console.visit import Visit
from server.experiments.sample_ratio import RATIO_ALPHA
from server.experiments.sentences import split_chance
from server.languages.formats import TO, Formats
from server.languages.texts import Texts
from server.times import shown_time

DEFAULT_EFFECT: Final = "5"
"""Points that the form proposes to look for."""
_ORDER: Final = ("split_wrong", "harm", "worse", "better", "not_known", "too_little_data")
"""Which verdict is told first where there are several variants."""
_TONES: Final = {"split_wrong": "critical", "harm": "critical", "worse": "high", "better": "normal"}
_SECONDS: Final = "final_delay_s"
"""The guardrail whose values are seconds; those of the others are shares."""


@dataclass(frozen=True, slots=True)
class ExperimentShown:
    """An experiment as the pages show it, as texts."""

    name: str
    state: str
    start: str
    end: str
    clients: str
    variants: str


@dataclass(frozen=True, slots=True)
class GuardrailShown:
    """What a guardrail of a variant shows, as texts.

    Attributes:
        name: As the server names it.
        verdict: As the message names it, in small letters.
    """

    name: str
    value: str
    control: str
    change: str
    allowed: str
    verdict: str


@dataclass(frozen=True, slots=True)
class VariantShown:
    """What a variant shows.

    Attributes:
        verdict: As the message names it, in small letters; ``unspecified`` for the control.
        change: Against the control, with its interval, as text; empty for the control and for too little data.
    """

    found: pb.VariantResult
    verdict: str
    change: str
    guardrails: tuple[GuardrailShown, ...]


@dataclass(frozen=True, slots=True)
class PlanShown:
    """How much an experiment would need, as texts; all are empty where nothing is known.

    Attributes:
        days: Empty while no sessions arrive.
    """

    rate: str = ""
    per_day: str = ""
    sessions: str = ""
    single_look: str = ""
    days: str = ""


async def show_all(visit: Visit) -> Response:
    """What is declared, and how much an experiment would need."""
    reply = await visit.call("ExperimentService", "ListExperiments", pb.ListExperimentsRequest())
    texts, asked = texts_of(visit.request), visit.request.query_params
    effect, client = asked.get("effect", "").strip(), asked.get("client", "").strip()
    plan = None
    if effect:
        request = pb.PlanExperimentRequest(effect=_share(effect), client_id=client)
        plan = plan_shown(await visit.call("ExperimentService", "PlanExperiment", request), Formats(texts.language))
    return visit.page(
        "experiments.html",
        experiments=[experiment_shown(each, texts) for each in reply.experiments],
        plan=plan,
        effect=effect or DEFAULT_EFFECT,
        client=client,
    )


async def show_one(visit: Visit) -> Response:
    """What one experiment shows so far."""
    texts = texts_of(visit.request)
    formats = Formats(texts.language)
    request = pb.GetExperimentReportRequest(name=str(visit.request.path_params["name"]))
    report = await visit.call("ExperimentService", "GetExperimentReport", request)
    control, *others = [variant_shown(each, texts, formats) for each in report.variants]
    told = next((each for verdict in _ORDER for each in others if each.verdict == verdict), others[0])
    counted = sum(each.counted_count for each in report.variants)
    return visit.page(
        "experiment.html",
        experiment=experiment_shown(report.experiment, texts),
        split_ok=_split_ok(report, texts, formats),
        headline=headline(told, control, texts, ended=report.experiment.ended),
        tone=_TONES.get(told.verdict, ""),
        variants=[control, *others],
        chart=_change_chart(others, texts, formats),
        progress=texts(
            "experiment_progress_ended" if report.experiment.ended else "experiment_progress",
            counted=formats.count(counted),
            planned=formats.count(report.experiment.planned_session_count),
        ),
        counts_after=formats.length(report.experiment.counts_after.ToTimedelta().total_seconds()),
    )


def experiment_shown(found: pb.Experiment, texts: Texts) -> ExperimentShown:
    """An experiment."""
    return ExperimentShown(
        name=found.name,
        state=texts(f"experiment_state_{_state(found)}"),
        start=shown_time(found.start_time.ToDatetime()),
        end=shown_time(found.end_time.ToDatetime()) if found.HasField("end_time") else texts("experiment_no_end"),
        clients=", ".join(found.client_ids) or texts("experiment_all_clients"),
        variants=", ".join(each.name for each in found.variants),
    )


def _state(found: pb.Experiment) -> str:
    if found.ended:
        return "ended"
    return "running" if found.running else "not_begun"


def _split_ok(report: pb.GetExperimentReportResponse, texts: Texts, formats: Formats) -> str:
    """That no fault was found in the split, with the chance of so uneven a one; empty if it is wrong."""
    if not report.split_ok:
        return ""
    return texts(
        "experiment_split_ok",
        chance=split_chance(report.split_p_value, formats),
        bar=formats.percent(RATIO_ALPHA),
    )


def headline(told: VariantShown, control: VariantShown, texts: Texts, *, ended: bool) -> str:
    """What the experiment shows, in one sentence."""
    change = f", {told.change}" if told.change else ""
    verdict = "not_known_ended" if ended and told.verdict == "not_known" else told.verdict
    return texts(f"verdict_{verdict}", variant=told.found.name, control=control.found.name, change=change)


def variant_shown(found: pb.VariantResult, texts: Texts, formats: Formats) -> VariantShown:
    """What a variant shows."""
    change = ""
    if found.HasField("change"):
        change = _points(found.change, texts, formats)
    verdict = pb.VariantVerdict.Name(found.verdict).removeprefix("VARIANT_VERDICT_").lower()
    return VariantShown(found, verdict, change, tuple(_guardrail(each, texts, formats) for each in found.guardrails))


def plan_shown(found: pb.PlanExperimentResponse, formats: Formats) -> PlanShown:
    """How much an experiment would need."""
    if not found.observed_count:
        return PlanShown()
    days = found.duration.ToTimedelta() / timedelta(days=1)
    return PlanShown(
        rate=formats.percent(found.rate),
        per_day=formats.decimal(found.sessions_per_day),
        sessions=formats.count(found.session_count),
        single_look=formats.count(found.single_look_session_count),
        days=formats.count(ceil(days)) if found.HasField("duration") else "",
    )


def _change(found: pb.Change, formats: Formats, unit: str, times: float = 1.0, digits: int = 2) -> str:
    low, high = formats.signed(times * found.low, digits), formats.signed(times * found.high, digits)
    return f"{formats.signed(times * found.estimate, digits)}{unit} ({low}{TO}{high})"


def _guardrail(found: pb.GuardrailResult, texts: Texts, formats: Formats) -> GuardrailShown:
    timed = found.name == _SECONDS

    def shown(value: float) -> str:
        return f"{formats.decimal(value, 2)} s" if timed else formats.percent(value)

    change = ""
    if found.HasField("change"):
        change = _change(found.change, formats, " s") if timed else _points(found.change, texts, formats)
    allowed = formats.signed(found.tolerance, 2) + " s"
    if not timed:
        allowed = f"{formats.signed(100 * found.tolerance)} {texts('points')}"
    return GuardrailShown(
        name=found.name,
        value=shown(found.value) if found.HasField("value") else "",
        control=shown(found.control_value) if found.HasField("control_value") else "",
        change=change,
        allowed=allowed,
        verdict=pb.GuardrailVerdict.Name(found.verdict).removeprefix("GUARDRAIL_VERDICT_").lower(),
    )


def _points(change: pb.Change, texts: Texts, formats: Formats) -> str:
    return _change(change, formats, f" {texts('points')}", 100.0, 1)


def _change_chart(variants: Sequence[VariantShown], texts: Texts, formats: Formats) -> Chart | None:
    """The changes of the variants; None while there is too little data."""
    known = [each for each in variants if each.found.HasField("change")]
    spans = [
        Span(each.found.name, each.found.change.estimate, each.found.change.low, each.found.change.high)
        for each in known
    ]
    return change_chart(texts("experiment_changes"), spans, [each.change for each in known], formats) if spans else None


def _share(points: str) -> float:
    """Points of the form as a share."""
    try:
        return float(points.replace(",", ".")) / 100
    except ValueError:
        raise InvalidInput(
            "The change is no number.", reason=Reason.INVALID_ARGUMENT, hint="Give points of percent, such as 5."
        ) from None
