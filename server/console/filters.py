"""Which sessions a page is about, and in which funnel: from the address, and back into addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from vestibule.v1 import funnel_pb2
from vestibule.v1.funnel_pb2 import GetReportRequest

from models.errors import InvalidInput
from models.reasons import Reason
from server.languages.texts import Texts
from server.times import LONGEST_WINDOW

ORDERS: Final[dict[str, funnel_pb2.FunnelOrder.ValueType]] = {
    "": funnel_pb2.FUNNEL_ORDER_UNSPECIFIED,
    "ordered": funnel_pb2.FUNNEL_ORDER_ORDERED,
    "strict": funnel_pb2.FUNNEL_ORDER_STRICT,
    "any": funnel_pb2.FUNNEL_ORDER_ANY,
}
GROUPS: Final[dict[str, funnel_pb2.FunnelDimension.ValueType]] = {
    "client": funnel_pb2.FUNNEL_DIMENSION_CLIENT,
    "variant": funnel_pb2.FUNNEL_DIMENSION_VARIANT,
    "language": funnel_pb2.FUNNEL_DIMENSION_LANGUAGE,
    "property": funnel_pb2.FUNNEL_DIMENSION_PROPERTY,
    "event": funnel_pb2.FUNNEL_DIMENSION_EVENT,
}
TOUCHES: Final[dict[str, funnel_pb2.FunnelTouch.ValueType]] = {
    "first": funnel_pb2.FUNNEL_TOUCH_FIRST,
    "last": funnel_pb2.FUNNEL_TOUCH_LAST,
}
INTERVALS: Final[dict[str, funnel_pb2.FunnelInterval.ValueType]] = {
    "day": funnel_pb2.FUNNEL_INTERVAL_DAY,
    "week": funnel_pb2.FUNNEL_INTERVAL_WEEK,
    "month": funnel_pb2.FUNNEL_INTERVAL_MONTH,
}
MOST_GROUPS: Final = 8
"""Values that a page shows apart; the others are one group."""
WINDOWS: Final = ("1h", "1d", "7d", "14d", "30d")
"""Windows to choose from; an address may have any other, such as ``90min``."""
_LABELS: Final = {
    "from": "funnel_from",
    "to": "funnel_to",
    "client": "funnel_client",
    "flow": "filter_flow",
    "steps": "filter_steps_label",
    "order": "filter_order",
    "window": "filter_window",
    "by": "filter_by",
    "key": "filter_key",
    "touch": "filter_touch",
    "time": "filter_time",
    "times": "filter_times",
}
NAMES: Final = tuple(_LABELS)
_OF_SESSIONS: Final = frozenset({"from", "to", "client", "flow"})
_OF_ANALYSIS: Final = _OF_SESSIONS | {"steps", "order", "window"}
_Choice = TypeVar("_Choice", bound=int)
_UNITS: Final = {"min": 60, "h": 3600, "d": 86_400}
_WINDOW: Final = re.compile(r"(\d{1,6})(min|h|d)")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for, as it was written."""

    values: dict[str, str]

    @classmethod
    def of(cls, request: Request) -> Filter:
        """The filter in the address of a page."""
        return cls({name: request.query_params.get(name, "").strip() for name in NAMES})

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def sessions(self) -> Filter:
        """Only which sessions are meant, for a page that is about the stages."""
        return self._only(_OF_SESSIONS)

    @property
    def analyzed(self) -> Filter:
        """Only which sessions and steps are meant, for a page of the analysis."""
        return self._only(_OF_ANALYSIS)

    @property
    def of_stages(self) -> bool:
        """Whether it is about the four stages of a session, and not about steps or the stages of a flow."""
        return not self.steps and not self["flow"]

    @property
    def has_analysis(self) -> bool:
        """Whether steps of one's own, or the stages of a flow, can be analyzed."""
        return (len(self.steps) > 1 and self["order"] != "any") or bool(self["flow"] and not self.steps)

    def _only(self, names: Set[str]) -> Filter:
        return Filter({name: value if name in names else "" for name, value in self.values.items()})

    def words(self, texts: Texts) -> str:
        """What is chosen, in words; empty for nothing."""
        said = [f"{texts(label)}: {self._word(name, texts)}" for name, label in _LABELS.items() if self[name]]
        return "; ".join(said)

    def _word(self, name: str, texts: Texts) -> str:
        """A value for people. Names of steps stand apart, so that a line can break between them."""
        value = ", ".join(self.steps) if name == "steps" else self[name]
        return value if name in _OF_SESSIONS else texts.or_word(f"{name}_{value}", value)

    @property
    def steps(self) -> list[str]:
        """Names of steps; empty for the stages."""
        return [name for name in re.split(r"[\s,]+", self["steps"]) if name]

    @property
    def windows(self) -> list[str]:
        """The windows that a form offers."""
        return [*WINDOWS, self["window"]] if self["window"] not in {"", *WINDOWS} else [*WINDOWS]

    def link(self, path: str, **more: object) -> str:
        """An address with the same filter. A list is said once for each of its values."""
        given = {name: value for name, value in self.values.items() if value} | more
        return f"{path}?{urlencode(given, doseq=True)}" if given else path

    def analysis(self, language: str) -> GetReportRequest:
        """The request for the analysis of the same sessions and steps, in the language of the page.

        Raises:
            InvalidInput: As ``report`` does.
        """
        wanted = self.analyzed.report()
        wanted.analyze, wanted.language = True, language
        return wanted

    def report(self) -> GetReportRequest:
        """The request for a report.

        Raises:
            InvalidInput: INVALID_ARGUMENT, something in the address cannot be used.
        """
        wanted = GetReportRequest(client_id=self["client"], steps=self.steps, order=_one_of(ORDERS, self["order"]))
        self._set_times(wanted)
        if self["flow"]:
            wanted.flow, wanted.flow_version = _flow(self["flow"])
        if self["window"]:
            wanted.window.FromTimedelta(_window(self["window"]))
        if self["by"]:
            wanted.breakdown.by = _one_of(GROUPS, self["by"])
            wanted.breakdown.max_values = MOST_GROUPS
            if self["by"] in {"property", "event"}:
                wanted.breakdown.key = self["key"]
            if self["by"] == "property" and self["touch"]:
                wanted.breakdown.attribution.touch = _one_of(TOUCHES, self["touch"])
        wanted.quantiles = bool(self["times"])
        if self["time"]:
            wanted.interval = _one_of(INTERVALS, self["time"])
        return wanted

    def _set_times(self, wanted: GetReportRequest) -> None:
        start, end = _time(self["from"]), _time(self["to"])
        if start is not None and end is not None and start >= end:
            raise _wrong_time()
        if start is not None:
            wanted.start_time.FromDatetime(start)
        if end is not None:
            wanted.end_time.FromDatetime(end)


def _one_of(choices: Mapping[str, _Choice], text: str) -> _Choice:
    if text not in choices:
        given = ", ".join(filter(None, choices))
        raise InvalidInput(
            "The address has a choice that there is not.", reason=Reason.INVALID_ARGUMENT, hint=f"Give one of: {given}."
        )
    return choices[text]


def _flow(text: str) -> tuple[str, int]:
    name, has_version, version = text.partition("@")
    if not name or (has_version and not (version.isascii() and version.isdecimal() and len(version) < 8)):
        raise InvalidInput(
            "A flow cannot be used.", reason=Reason.INVALID_ARGUMENT, hint="Give its name, or site_visit@1."
        )
    return name, int(version or 0)


def _window(text: str) -> timedelta:
    found = _WINDOW.fullmatch(text)
    window = timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else timedelta(0)
    if not timedelta(0) < window <= LONGEST_WINDOW:
        raise InvalidInput(
            "A window cannot be used.",
            reason=Reason.INVALID_ARGUMENT,
            hint=f"Give it as 90min, 12h or 14d, and at most {LONGEST_WINDOW.days}d.",
        )
    return window


def _time(text: str) -> datetime | None:
    return time_of(text) if text else None


def time_of(text: str) -> datetime:
    """A time in an address, UTC where it has no offset.

    Raises:
        InvalidInput: INVALID_ARGUMENT.
    """
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong_time() from None


def _wrong_time() -> InvalidInput:
    return InvalidInput(
        "A time cannot be used.", reason=Reason.INVALID_ARGUMENT, hint="Give dates as 2026-11-27, the first before."
    )
