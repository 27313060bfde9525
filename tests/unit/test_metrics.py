"""The endpoint of the metrics."""

from __future__ import annotations

import socket

import pytest

from models.errors import Unavailable
from server.metrics import Metrics


def test_a_port_that_is_taken_is_an_error_of_ours() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable) as caught:
            Metrics().serve(taken.getsockname()[1])
        assert caught.value.reason == "ADDRESS_IN_USE"
        assert f"{taken.getsockname()[1]} of the metrics" in caught.value.message
        assert "VESTIBULE_METRICS_PORT" in caught.value.hint
    assert Metrics().serve(0) is None
