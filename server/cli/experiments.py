"""`vestibule experiments`."""

from __future__ import annotations

from datetime import timedelta
from math import isfinite
from typing import TYPE_CHECKING

import click

from server.cli.experiment_plan import plan_row, plan_sentences
from server.cli.output import show_json, show_table, time_json, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.time_types import Period

if TYPE_CHECKING:
    from vestibule.v1 import experiment_pb2 as pb

LIST_COLUMNS = ("experiment", "state", "start", "end", "clients", "variants")
VARIANT_COLUMNS = ("variant", "sessions", "counted", "completed", "rate", "change", "from", "to")
GUARDRAIL_COLUMNS = ("variant", "guardrail", "control", "value", "change", "from", "to", "allowed")

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.group(short_help="Compare variants of the server or of an app.")
def experiments() -> None:
    """Show what is compared, what it shows, and how long an experiment would need.

    The file of VESTIBULE_EXPERIMENTS__FILE declares experiments; docs/operating/experiments.md says how.

    \b
    Examples:
      vestibule experiments list
      vestibule experiments report pause_length
      vestibule experiments plan --effect 5
    """


@experiments.command("list")
@address_option
@as_json_option
def list_experiments(address: str | None, as_json: bool) -> None:
    """List the experiments with their variants. The first variant is the control."""
    from vestibule.v1.experiment_pb2 import ListExperimentsRequest
    from vestibule.v1.experiment_pb2_grpc import ExperimentServiceStub

    with connected(address) as channel:
        answer = ExperimentServiceStub(channel).ListExperiments(ListExperimentsRequest(), timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json([_experiment(each) for each in answer.experiments])
        return
    rows = [
        (
            each.name,
            _state(each),
            time_text(each.start_time),
            time_text(each.end_time) if each.HasField("end_time") else "",
            ", ".join(each.client_ids) or "all",
            ", ".join(f"{variant.name} ({variant.weight:g})" for variant in each.variants),
        )
        for each in answer.experiments
    ]
    show_table(LIST_COLUMNS, rows, empty="No experiment is declared; VESTIBULE_EXPERIMENTS__FILE names the file.")


@experiments.command()
@click.argument("name")
@address_option
@as_json_option
def report(name: str, address: str | None, as_json: bool) -> None:
    """Show what an experiment shows so far. Look as often as you like: the intervals hold at every look together.

    A session counts once it had its time (counts_after_hours), a person once. Rates and changes of rates are in
    percent and points; "from" and "to" are the bounds of the change with 95 % confidence. If the variants do not have
    the sessions that they should have, there is no verdict.

    \b
    Examples:
      vestibule experiments report pause_length
      vestibule experiments report pause_length --json | jq -r '.variants[].sentence'
    """
    from vestibule.v1.experiment_pb2 import GetExperimentReportRequest
    from vestibule.v1.experiment_pb2_grpc import ExperimentServiceStub

    request = GetExperimentReportRequest(name=name)
    with connected(address) as channel:
        answer = ExperimentServiceStub(channel).GetExperimentReport(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(_report(answer))
    else:
        _show_report(answer)


@experiments.command()
@click.option(
    "--effect",
    type=click.FloatRange(0.1, 100),
    required=True,
    metavar="POINTS",
    help="Smallest change of the rate of completion that is worth finding, in points.",
)
@click.option("--client", "client_id", default="", help="Only sessions of this client.")
@click.option("--variants", type=click.IntRange(2, 10), default=2, show_default=True, help="With the control.")
@click.option(
    "--share",
    type=click.FloatRange(1, 99),
    metavar="%",
    help="Part of the sessions that the variants beside the control get together; without it all get the same.",
)
@click.option("--power", type=click.FloatRange(50, 99), metavar="%", help="Chance to find the effect; 80.")
@click.option("--counts-after", type=Period(), metavar="PERIOD", help="Until a session counts, such as 2h; 24h.")
@address_option
@as_json_option
def plan(
    effect: float,
    client_id: str,
    variants: int,
    share: float | None,
    power: float | None,
    counts_after: timedelta | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Tell how many sessions and days an experiment would need.

    Each variant is compared with the control. Several share the chance of a false alarm, so they need more sessions.

    The rate of completion and the sessions of a day are those of the last four weeks whose sessions had their time:
    they end --counts-after ago.

    \b
    Examples:
      vestibule experiments plan --effect 5
      vestibule experiments plan --effect 2 --client site-7 --share 10
      vestibule experiments plan --effect 5 --variants 3
    """
    from vestibule.v1.experiment_pb2 import PlanExperimentRequest
    from vestibule.v1.experiment_pb2_grpc import ExperimentServiceStub

    request = PlanExperimentRequest(effect=effect / 100, client_id=client_id, variant_count=variants)
    if share is not None:
        request.share = share / 100
    if power is not None:
        request.power = power / 100
    if counts_after is not None:
        request.counts_after.FromTimedelta(counts_after)
    with connected(address) as channel:
        answer = ExperimentServiceStub(channel).PlanExperiment(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(plan_row(answer))
    elif not answer.observed_count:
        click.echo("Nothing is known yet: no session of the last four weeks counts.")
    else:
        for sentence in plan_sentences(answer, effect, variants):
            click.echo(sentence)


def _show_report(answer: pb.GetExperimentReportResponse) -> None:
    if answer.experiment.ended:
        click.echo(f"The experiment ended at {time_text(answer.experiment.end_time)}, so no more sessions take part.")
    click.echo(f"{answer.split_sentence}\n")
    rows = [
        (
            each.name,
            each.session_count,
            each.counted_count,
            each.completed_count,
            f"{100 * each.rate:.1f} %",
            *_bounds(each, 100),
        )
        for each in answer.variants
    ]
    show_table(VARIANT_COLUMNS, rows)
    guardrails = [
        (
            variant.name,
            each.name,
            *(f"{_scale(each) * value:.2f}" if known else "" for value, known in _values(each)),
            *_bounds(each, _scale(each)),
            f"{_scale(each) * each.tolerance:+.2f}",
        )
        for variant in answer.variants
        for each in variant.guardrails
    ]
    click.echo()
    show_table(GUARDRAIL_COLUMNS, guardrails)
    click.echo()
    for variant in answer.variants:
        if variant.sentence:
            click.echo(variant.sentence)


def _state(experiment: pb.Experiment) -> str:
    if experiment.ended:
        return "ended"
    return "running" if experiment.running else "not begun"


def _values(guardrail: pb.GuardrailResult) -> list[tuple[float, bool]]:
    return [
        (guardrail.control_value, guardrail.HasField("control_value")),
        (guardrail.value, guardrail.HasField("value")),
    ]


def _scale(guardrail: pb.GuardrailResult) -> float:
    """Shares are shown in percent, seconds as they are."""
    return 1 if guardrail.name == "final_delay_s" else 100


def _bounds(result: pb.VariantResult | pb.GuardrailResult, scale: float) -> tuple[str, str, str]:
    """The change and its bounds; empty where there are none."""
    if not result.HasField("change"):
        return "", "", ""
    change = result.change
    estimate, low, high = (
        f"{scale * value:+.2f}" if isfinite(value) else "" for value in (change.estimate, change.low, change.high)
    )
    return estimate, low, high


def _report(answer: pb.GetExperimentReportResponse) -> dict[str, object]:
    return {
        "experiment": _experiment(answer.experiment),
        "split_ok": answer.split_ok,
        "split_p_value": answer.split_p_value,
        "split_sentence": answer.split_sentence,
        "variance_left": answer.variance_left,
        "variants": [_variant(each) for each in answer.variants],
    }


def _variant(result: pb.VariantResult) -> dict[str, object]:
    from vestibule.v1.experiment_pb2 import VariantVerdict

    verdict = VariantVerdict.Name(result.verdict).removeprefix("VARIANT_VERDICT_").lower()
    return {
        "name": result.name,
        "sessions": result.session_count,
        "repeats": result.repeat_count,
        "counted": result.counted_count,
        "completed": result.completed_count,
        "rate": result.rate,
        "change": _change(result),
        "guardrails": [_guardrail(each) for each in result.guardrails],
        "verdict": "control" if verdict == "unspecified" else verdict,
        "sentence": result.sentence,
    }


def _guardrail(result: pb.GuardrailResult) -> dict[str, object]:
    from vestibule.v1.experiment_pb2 import GuardrailVerdict

    return {
        "name": result.name,
        "value": result.value if result.HasField("value") else None,
        "control_value": result.control_value if result.HasField("control_value") else None,
        "change": _change(result),
        "tolerance": result.tolerance,
        "verdict": GuardrailVerdict.Name(result.verdict).removeprefix("GUARDRAIL_VERDICT_").lower(),
        "sentence": result.sentence,
    }


def _change(result: pb.VariantResult | pb.GuardrailResult) -> dict[str, float | None] | None:
    """The change; a bound that is not there yet is null, since JSON has no infinity."""
    if not result.HasField("change"):
        return None
    change = result.change
    bounds = {"estimate": change.estimate, "low": change.low, "high": change.high}
    return {name: value if isfinite(value) else None for name, value in bounds.items()}


def _experiment(experiment: pb.Experiment) -> dict[str, object]:
    return {
        "name": experiment.name,
        "running": experiment.running,
        "ended": experiment.ended,
        "start": time_json(experiment.start_time),
        "end": time_json(experiment.end_time) if experiment.HasField("end_time") else None,
        "clients": list(experiment.client_ids),
        "planned_sessions": experiment.planned_session_count,
        "counts_after_s": experiment.counts_after.ToTimedelta().total_seconds(),
        "variants": [
            {
                "name": variant.name,
                "weight": variant.weight,
                "end_silence_s": (
                    variant.end_silence.ToTimedelta().total_seconds() if variant.HasField("end_silence") else None
                ),
                "reply_instruction": variant.has_reply_instruction,
            }
            for variant in experiment.variants
        ],
    }
