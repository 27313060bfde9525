"""The options of `vestibule funnel` that divide sessions, or shape the steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli.time_types import Window

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import FunnelAttribution, FunnelStepRule, GetReportRequest

F = TypeVar("F", bound=Callable[..., Any])

INTERVALS = ("day", "week", "month")
ATTEMPTS = ("deepest", "first", "last")
_OF_SESSION = ("variant", "client", "language")
_WORD = r"(?:[a-z][a-z0-9_]{0,63}|STARTED|IN_PROGRESS|AWAITING_APPROVAL|COMPLETED|ABANDONED|REJECTED)"
_WHERE = re.compile(rf"({_WORD})\.([a-z][a-z0-9_]{{0,63}})(?:(=|>=|<=)(.+))?")
_EXCLUDED = re.compile(rf"({_WORD})(?:@({_WORD}))?")
_STEP_WINDOW = re.compile(rf"({_WORD})=(\w+)")


@dataclass(frozen=True, slots=True)
class DetailOptions:
    """The options, as given.

    Attributes:
        by: What divides the sessions; empty for nothing.
        attribution: Which value of a property counts: first, last, or the name of a step; empty for the first.
    """

    by: str = ""
    attribution: str = ""
    every: str | None = None
    quantiles: bool = False
    value: str = ""
    optional: str = ""
    step_windows: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    attempt: str | None = None


def detail_options(command: F) -> F:
    """Add the options to a command, which gets them as the fields of ``DetailOptions``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--by",
        default="",
        metavar="WHAT",
        help="Count groups apart: variant, client, language, event:NAME, or the key of a property. A number of many "
        "values is divided into four ranges.",
    ),
    click.option(
        "--attribution",
        default="",
        metavar="WHICH",
        help="Value of the property that counts: first, last, or the name of a step. First unless given.",
    ),
    click.option("--every", type=click.Choice(INTERVALS), help="Count days, weeks or months of opening apart."),
    click.option("--quantiles", is_flag=True, help="Show 25, 50, 75 and 90 % of the times from the step before."),
    click.option("--value", default="", metavar="KEY", help="Add up a number: the last value of a property."),
    click.option("--optional", default="", metavar="NAMES", help="Steps that may be left out, with commas."),
    click.option(
        "--step-window",
        "step_windows",
        multiple=True,
        metavar="STEP=TIME",
        help="Longest time from the required step before, such as pay=10m. May be given again.",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="STEP.KEY=VALUES",
        help="Only events of the step with one of these values (commas), or a number (>=, <=). May be given again.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="NAME[@STEP]",
        help="An event that ends an attempt between two steps, or only after STEP. May be given again.",
    ),
    click.option(
        "--attempt",
        type=click.Choice(ATTEMPTS),
        help="Which attempt counts of a session that begins again; the deepest unless given.",
    ),
)


def add_details(request: GetReportRequest, given: DetailOptions) -> None:
    """Put the options into a request that has its steps.

    Raises:
        click.UsageError: They do not fit each other, or the steps.
    """
    from vestibule.v1 import funnel_pb2

    shaped = given.optional or given.step_windows or given.where or given.exclude or given.attempt
    if shaped and (not request.steps or request.order > funnel_pb2.FUNNEL_ORDER_ORDERED):
        raise click.UsageError(
            "--optional, --step-window, --where, --exclude and --attempt need --steps that are ordered."
        )
    if given.attribution and (not given.by or given.by in _OF_SESSION or given.by.startswith("event:")):
        raise click.UsageError("--attribution needs --by with the key of a property.")
    _add_breakdown(request, given)
    if given.every:
        request.interval = funnel_pb2.FunnelInterval.Value(f"FUNNEL_INTERVAL_{given.every.upper()}")
    request.quantiles = given.quantiles
    if given.value:
        request.value.key = given.value
    request.step_rules.extend(_rules(request.steps, given))
    for text in given.exclude:
        name, after = _parts(_EXCLUDED, text, "--exclude takes NAME or NAME@STEP")
        if name in request.steps:
            raise click.UsageError(f"--exclude takes no step, and {name} is one of the --steps.")
        request.exclusions.add(name=name, after_position=_position(request.steps, after) if after else 0)
    if given.attempt:
        request.attempt = funnel_pb2.FunnelAttempt.Value(f"FUNNEL_ATTEMPT_{given.attempt.upper()}")


def _add_breakdown(request: GetReportRequest, given: DetailOptions) -> None:
    from vestibule.v1 import funnel_pb2

    if not given.by:
        return
    if given.by in _OF_SESSION:
        request.breakdown.by = funnel_pb2.FunnelDimension.Value(f"FUNNEL_DIMENSION_{given.by.upper()}")
        return
    is_event = given.by.startswith("event:")
    request.breakdown.by = funnel_pb2.FUNNEL_DIMENSION_EVENT if is_event else funnel_pb2.FUNNEL_DIMENSION_PROPERTY
    request.breakdown.key = given.by.removeprefix("event:").removeprefix("property:")
    if given.attribution:
        request.breakdown.attribution.CopyFrom(_attribution(request, given.attribution))


def _attribution(request: GetReportRequest, which: str) -> FunnelAttribution:
    from vestibule.v1 import funnel_pb2

    if which in ("first", "last"):
        return funnel_pb2.FunnelAttribution(touch=funnel_pb2.FunnelTouch.Value(f"FUNNEL_TOUCH_{which.upper()}"))
    if request.order == funnel_pb2.FUNNEL_ORDER_ANY:
        raise click.UsageError("--attribution with a step needs an order.")
    position = _position(request.steps, which)
    return funnel_pb2.FunnelAttribution(touch=funnel_pb2.FUNNEL_TOUCH_STEP, position=position)


def _rules(steps: Sequence[str], given: DetailOptions) -> Iterator[FunnelStepRule]:
    from vestibule.v1 import funnel_pb2

    rules = {n: funnel_pb2.FunnelStepRule(position=n) for n in range(1, len(steps) + 1)}
    for name in filter(None, given.optional.split(",")):
        position = _position(steps, name.strip())
        if position in (1, len(steps)):
            raise click.UsageError("The first and the last step cannot be optional.")
        rules[position].optional = True
    for text in given.step_windows:
        name, time = _parts(_STEP_WINDOW, text, "--step-window takes STEP=TIME, such as pay=10m")
        limit: timedelta = Window().convert(time, None, None)
        position = _position(steps, name)
        if position == 1:
            raise click.UsageError("No step comes before the first, so it has no window.")
        rules[position].window.FromTimedelta(limit)
    for text in given.where:
        name, key, sign, value = _parts(_WHERE, text, "--where takes STEP.KEY=VALUES, STEP.KEY>=NUMBER or STEP.KEY")
        condition = rules[_position(steps, name)].condition
        if condition.key not in ("", key):
            raise click.UsageError("--where takes one key for a step.")
        condition.key = key
        if sign == "=":
            condition.values.extend(value.split(","))
        elif sign:
            setattr(condition, "least" if sign == ">=" else "most", _number(value))
    return (rule for rule in rules.values() if rule != funnel_pb2.FunnelStepRule(position=rule.position))


def _parts(pattern: re.Pattern[str], text: str, problem: str) -> tuple[str, ...]:
    found = pattern.fullmatch(text)
    if found is None:
        raise click.UsageError(f"{problem}.")
    return tuple(part or "" for part in found.groups())


def _position(steps: Sequence[str], name: str) -> int:
    if name not in steps:
        raise click.UsageError(f"{name} is none of the --steps.")
    return list(steps).index(name) + 1


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError("--where compares with a number.") from None
