"""Which sessions a page is about, and in which funnel: from the address, and back into addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from vestibule.v1 import funnel_pb2
from vestibule.v1.funnel_pb2 import GetReportRequest

from models.errors import InvalidInput
from models.reasons import Reason

NAMES: Final = ("from", "to", "client", "steps", "order", "window")
ORDERS: Final[dict[str, funnel_pb2.FunnelOrder.ValueType]] = {
    "": funnel_pb2.FUNNEL_ORDER_UNSPECIFIED,
    "ordered": funnel_pb2.FUNNEL_ORDER_ORDERED,
    "strict": funnel_pb2.FUNNEL_ORDER_STRICT,
    "any": funnel_pb2.FUNNEL_ORDER_ANY,
}
WINDOWS: Final = ("1h", "1d", "7d", "14d", "30d")
"""Windows to choose from; an address may have any other, such as ``90min``."""
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
    def given(self) -> bool:
        """Whether anything is chosen."""
        return any(self.values.values())

    @property
    def steps(self) -> list[str]:
        """Names of steps; empty for the stages."""
        return re.split(r"[\s,]+", self["steps"]) if self["steps"] else []

    @property
    def windows(self) -> list[str]:
        """The windows that a form offers."""
        return [*WINDOWS, self["window"]] if self["window"] not in {"", *WINDOWS} else [*WINDOWS]

    def link(self, path: str, **more: object) -> str:
        """An address with the same filter."""
        given = {name: value for name, value in self.values.items() if value} | more
        return f"{path}?{urlencode(given)}" if given else path

    def report(self, *, analyze: bool = False) -> GetReportRequest:
        """The request for a report.

        Raises:
            InvalidInput: INVALID_ARGUMENT, a time is no date, the first is not before the second, or a window is no
                length of time.
        """
        wanted = GetReportRequest(
            client_id=self["client"], steps=self.steps, order=_order(self["order"]), analyze=analyze
        )
        start, end = _time(self["from"]), _time(self["to"])
        if start is not None and end is not None and start >= end:
            raise _wrong_time()
        if start is not None:
            wanted.start_time.FromDatetime(start)
        if end is not None:
            wanted.end_time.FromDatetime(end)
        if self["window"]:
            wanted.window.FromTimedelta(_window(self["window"]))
        return wanted


def _order(text: str) -> funnel_pb2.FunnelOrder.ValueType:
    if text not in ORDERS:
        raise InvalidInput(
            "There is no such order.", reason=Reason.INVALID_ARGUMENT, hint="Give ordered, strict or any."
        )
    return ORDERS[text]


def _window(text: str) -> timedelta:
    found = _WINDOW.fullmatch(text)
    if not found:
        raise InvalidInput(
            "A window cannot be used.", reason=Reason.INVALID_ARGUMENT, hint="Give it as 90min, 12h or 14d."
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong_time() from None


def _wrong_time() -> InvalidInput:
    return InvalidInput(
        "A time cannot be used.", reason=Reason.INVALID_ARGUMENT, hint="Give dates as 2026-11-27, the first before."
    )
