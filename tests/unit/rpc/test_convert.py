"""Times of messages become the same times as by the code of protobuf."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from models.errors import InvalidInput
from server.rpc import convert

_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


@pytest.mark.parametrize("seconds", [_FIRST_S, -1, 0, 1_764_230_400, _LAST_S])
@pytest.mark.parametrize("nanos", [0, 1, 999, 1000, 123_456_789, 999_999_999])
def test_a_time_is_read_to_the_microsecond(seconds: int, nanos: int) -> None:
    message = Timestamp(seconds=seconds, nanos=nanos)
    assert convert.moment(message) == message.ToDatetime(tzinfo=UTC)


def test_the_first_and_the_last_time_are_those_of_python() -> None:
    assert convert.moment(Timestamp(seconds=_FIRST_S)) == datetime.min.replace(tzinfo=UTC)
    assert convert.moment(Timestamp(seconds=_LAST_S, nanos=999_999_999)) == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "nanos", "told"),
    [
        *((seconds, 0, "years 1 to 9999") for seconds in (_FIRST_S - 1, _LAST_S + 1, 2**62, -(2**62))),
        *((0, nanos, "nanos of a time are not from 0 to 999999999") for nanos in (-1, 10**9)),
        (_LAST_S + 1, -1, "nanos of a time"),
    ],
)
def test_a_time_that_python_does_not_have_is_refused(seconds: int, nanos: int, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        convert.moment(Timestamp(seconds=seconds, nanos=nanos))
