"""How ``make cluster`` counts the streams that go on at another server."""

from __future__ import annotations

import pytest

from tests.cluster.handovers import Handovers, handovers

OPENED = ("stream", "first", "server-0.1")
LEFT = ("stream", "", "server-0.1")


@pytest.mark.parametrize(
    ("then", "counted"),
    [
        ([], Handovers(elsewhere=0, back=0, cut=1, cut_elsewhere=0)),
        ([LEFT], Handovers(elsewhere=0, back=0, cut=0, cut_elsewhere=0)),
        ([("stream", "second", "server-1.1"), ("stream", "", "server-1.1")], Handovers(1, 0, cut=1, cut_elsewhere=1)),
        ([("stream", "second", "server-0.2"), ("stream", "", "server-0.2")], Handovers(0, 1, cut=1, cut_elsewhere=0)),
        ([LEFT, ("stream", "second", "server-2.4")], Handovers(1, 0, cut=0, cut_elsewhere=0)),
        ([LEFT, ("other", "second", "server-2.4")], Handovers(0, 0, cut=0, cut_elsewhere=0)),
    ],
)
def test_a_stream_goes_on_elsewhere_when_another_server_had_it_before(
    then: list[tuple[str, str, str]], counted: Handovers
) -> None:
    assert handovers([OPENED, *then], {"server-0.1"}) == counted


def test_a_server_that_was_not_killed_cuts_nothing() -> None:
    assert handovers([OPENED, ("stream", "second", "server-1.1")], set()) == Handovers(1, 0, cut=0, cut_elsewhere=0)
