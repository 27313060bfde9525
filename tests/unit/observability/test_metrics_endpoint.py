"""The endpoint of the metrics answers on loopback to whoever has the token."""

from __future__ import annotations

import http.client
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from models.errors import InvalidInput, Unavailable
from server.observability import metrics_endpoint
from server.observability.metrics_endpoint import MOST_AT_ONCE, metrics_token, serve_metrics

TOKEN = "a-token-of-a-test"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of an endpoint with one metric."""
    registry = CollectorRegistry()
    Counter("opened", "Doors.", registry=registry).inc(3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    stop = serve_metrics(registry, free, TOKEN)
    yield free
    stop()


def get(port: int, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """Status and content of an answer; a Host header that is not given is the usual one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, "/metrics", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
@pytest.mark.parametrize("host", ["127.0.0.1:9464", "localhost", "LOCALHOST:1", "[::1]:9464"])
def test_the_token_opens_it(port: int, scheme: str, host: str) -> None:
    status, content = get(port, Authorization=f"{scheme} {TOKEN}", Host=host)
    assert status == 200
    assert b"opened_total 3.0" in content


@pytest.mark.parametrize(
    "given",
    [
        *("", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"),
        *(f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN.upper()}", "Bearer \u00fc", "Bearer " + "x" * 5000),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_nothing_is_shown_without_the_token(port: int, method: str, given: str) -> None:
    assert get(port, method, Authorization=given) == (401, b"")
    assert get(port, method) == (401, b"")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost@evil.example", "[", "", "10.0.0.1"],
)
def test_a_foreign_host_is_refused_even_with_the_token(port: int, host: str) -> None:
    assert get(port, Host=host, Authorization=f"Bearer {TOKEN}") == (403, b"")


def test_each_refusal_is_reported_with_its_reason_and_an_answer_is_not() -> None:
    told: list[tuple[str, str]] = []
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free: int = probe.getsockname()[1]
    stop = serve_metrics(CollectorRegistry(), free, TOKEN, lambda host, reason: told.append((host, reason)))
    try:
        get(free)
        get(free, Authorization="Bearer of-somebody-else")
        get(free, Authorization=f"Bearer {TOKEN}", Host="evil.example")
        assert get(free, Authorization=f"Bearer {TOKEN}")[0] == 200
    finally:
        stop()
    reasons = ("CREDENTIALS_MISSING", "CREDENTIALS_INVALID", "host_foreign")
    assert told == [("127.0.0.1", reason) for reason in reasons]


def test_an_unreadable_request_shows_nothing_and_prints_nothing(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    for request in (
        b"\x00\xff\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            assert b"opened" not in client.recv(100_000)
    assert capsys.readouterr() == ("", "")


def test_connections_beyond_a_bound_are_closed_and_silent_ones_end(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_endpoint._Handler, "timeout", 0.5)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(MOST_AT_ONCE)]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as one_more:
        assert one_more.recv(1) == b""
    assert [client.recv(1) for client in silent] == [b""] * MOST_AT_ONCE
    for client in silent:
        client.close()
    assert 200 in _statuses(port), "their places are free again"


def _statuses(port: int) -> Iterator[int]:
    """Statuses of many requests; the first ones may come before a place is free."""
    for _ in range(1000):
        with suppress(http.client.HTTPException, OSError):
            yield get(port, Authorization=f"Bearer {TOKEN}")[0]


def test_a_taken_port_raises_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable) as caught:
            serve_metrics(CollectorRegistry(), taken.getsockname()[1], TOKEN)
        assert caught.value.reason == "ADDRESS_IN_USE"
        assert f"{taken.getsockname()[1]} of the metrics" in caught.value.message
        assert "VESTIBULE_METRICS_PORT" in caught.value.hint


def test_a_token_is_made_once_and_a_given_one_replaces_it(tmp_path: Path) -> None:
    made = metrics_token("", tmp_path)
    assert len(made) >= 40
    assert metrics_token("", tmp_path) == made
    assert stat.S_IMODE((tmp_path / "metrics.token").stat().st_mode) == 0o600
    assert metrics_token(TOKEN, tmp_path) == TOKEN
    assert not (tmp_path / "metrics.token").exists()


def test_a_file_without_a_token_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.token").touch()
    with pytest.raises(InvalidInput) as caught:
        metrics_token("", tmp_path)
    assert caught.value.reason == "METRICS_TOKEN_SHORT"


@pytest.mark.parametrize("given", ["short", "\u00fc" * 20])
def test_an_unusable_token_is_refused_and_not_repeated(tmp_path: Path, given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        metrics_token(given, tmp_path)
    assert caught.value.reason == "METRICS_TOKEN_SHORT"
    assert given not in f"{caught.value.message} {caught.value.hint}"
