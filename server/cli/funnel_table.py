"""The stages and groups of a report of `vestibule funnel` as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from server.times import shown_length

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from vestibule.v1.funnel_pb2 import FunnelSegmentKey, FunnelStage, GetReportRequest, GetReportResponse

GROUP_NAMES: Final = {"all": "(all)", "other": "(others)", "none": "(no value)"}
"""What the table calls a group that is no value."""
QUANTILES: Final = ("p25", "p50", "p75", "p90")


def report_rows(report: GetReportResponse, request: GetReportRequest) -> list[dict[str, object]]:
    """The stages as rows: all sessions first, then each group, each with its times behind it.

    ``group`` and ``period`` are None for all of them; ``group_kind`` is all, value, other or none.
    """
    rows = _rows(report.stages, request, None, None)
    for period in report.periods:
        rows += _rows(period.stages, request, None, _day(period))
    for segment in report.segments:
        rows += _rows(segment.stages, request, segment.key, None)
        for period in segment.periods:
            rows += _rows(period.stages, request, segment.key, _day(period))
    return rows


def _rows(
    stages: Iterable[FunnelStage], request: GetReportRequest, key: FunnelSegmentKey | None, period: str | None
) -> list[dict[str, object]]:
    return [_row(stage, request, key, period, is_first=not n) for n, stage in enumerate(stages)]


def _day(period: Any) -> str:
    return period.start_time.ToDatetime(UTC).date().isoformat()  # type: ignore[no-any-return]


def _row(
    stage: FunnelStage,
    request: GetReportRequest,
    key: FunnelSegmentKey | None,
    period: str | None,
    *,
    is_first: bool,
) -> dict[str, object]:
    from vestibule.v1.funnel_pb2 import FunnelSegmentKind, Severity

    row: dict[str, object] = {}
    if request.HasField("breakdown"):
        kind = "all" if key is None else FunnelSegmentKind.Name(key.kind).removeprefix("FUNNEL_SEGMENT_KIND_").lower()
        row |= {"group_kind": kind, "group": key.value if key is not None and kind == "value" else None}
    if request.interval:
        row["period"] = period
    severity = Severity.Name(stage.severity).removeprefix("SEVERITY_").lower()
    unjudged = "too little data" if stage.HasField("drop_off") else None
    row |= {
        "stage": stage.name,
        "sessions": stage.session_count,
        "under_way": stage.under_way_count,
        "dropped": stage.dropped_count,
        "counted": None if is_first or stage.optional else stage.counted_count,  # nobody is dropped before those
        "drop_off_rate": round(stage.drop_off_rate, 3) if stage.counted_count else None,
        "low": round(stage.drop_off.low, 3) if stage.HasField("drop_off") else None,
        "high": round(stage.drop_off.high, 3) if stage.HasField("drop_off") else None,
        "median_s": _seconds(stage.median_time) if stage.HasField("median_time") else None,
        "severity": unjudged if severity == "unspecified" else severity,
    }
    row["conversion"] = round(stage.conversion_rate.value, 3) if stage.HasField("conversion_rate") else None
    if request.quantiles:
        row |= {f"{name}_s": _quantile(stage, name) for name in QUANTILES}
    if request.HasField("value"):
        value = stage.value
        row |= {"with_value": value.session_count, "total": value.total, "dropped_total": value.dropped_total}
    if request.step_rules or (request.flow and not request.steps):
        row["optional"] = stage.optional
    return row


def _quantile(stage: FunnelStage, name: str) -> float | None:
    return _seconds(getattr(stage.times, name)) if stage.HasField("times") else None


def _seconds(message: Duration) -> float:
    return message.ToTimedelta().total_seconds()


def table_rows(rows: Sequence[dict[str, object]]) -> tuple[list[str], list[list[object]]]:
    """The columns and rows of the table for people.

    Groups and all of them have names, times are as people read them, and what is absent is empty. Where no step is
    optional, that column is left out.
    """
    left_out = {"group_kind"} if any(row.get("optional") for row in rows) else {"group_kind", "optional"}
    names = [name for name in rows[0] if name not in left_out] if rows else []
    shown = [[_for_people(row, name) for name in names] for row in rows]
    return [name.removesuffix("_s") for name in names], shown


def _for_people(row: dict[str, object], name: str) -> object:
    value = row[name]
    if name == "group":
        return GROUP_NAMES.get(str(row["group_kind"]), value)
    if name == "period":
        return value or GROUP_NAMES["all"]
    if name.endswith("_s") and isinstance(value, float):
        return shown_length(value)
    return "yes" if value is True else "" if value is False else value
