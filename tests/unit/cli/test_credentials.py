"""Which credential a command sends, to whom, and that every kind of call carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from server.access.operator_key import load_or_create_operator_key
from server.cli.channel import open_aio_channel, open_channel
from server.cli.credentials import configured_credential
from server.cli.output import Failure

KEY = "vst_0000000000000000_" + "a" * 64
CALLS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VESTIBULE_API_KEY", raising=False)
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("target", ["127.0.0.1:50051", "localhost:50051", "[::1]:50051"])
def test_on_this_machine_the_operator_key_is_sent(state_dir: Path, target: str) -> None:
    assert configured_credential(target) == ""
    assert configured_credential(target) == "", "asking makes none"
    key = load_or_create_operator_key(state_dir)
    assert configured_credential(target) == key


@pytest.mark.parametrize("target", ["192.0.2.7:50051", "vestibule.example:443", "localhost.example:443"])
def test_the_operator_key_never_leaves_this_machine(
    state_dir: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_create_operator_key(state_dir)
    assert configured_credential(target) == ""
    monkeypatch.setenv("VESTIBULE_API_KEY", KEY)
    assert configured_credential(target) == KEY


def test_a_given_key_wins(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_or_create_operator_key(state_dir)
    monkeypatch.setenv("VESTIBULE_API_KEY", f"{KEY}\n")
    assert configured_credential("127.0.0.1:1") == KEY


@pytest.mark.parametrize("given", ["two words", "línea", "a\x00b"])
def test_what_is_no_credential_is_told_and_not_repeated(given: str) -> None:
    with pytest.raises(Failure) as caught:
        open_channel("127.0.0.1:1", credential=given)
    assert given not in caught.value.format_message()


@contextmanager
def echo() -> Iterator[tuple[str, list[list[str]]]]:
    """A server with all kinds of calls; each notes the values of ``authorization`` that it got."""
    seen: list[list[str]] = []

    def note(context: Any) -> bytes:
        seen.append([str(value) for key, value in context.invocation_metadata() if key == "authorization"])
        return b""

    def stream(_request: Any, context: Any) -> Iterator[bytes]:
        yield note(context)

    makers = {kind: getattr(grpc, f"{kind}_rpc_method_handler") for kind in CALLS}
    handlers = {
        kind: make(stream if kind.endswith("stream") else lambda _request, context: note(context))
        for kind, make in makers.items()
    }
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.Echo", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", seen
    finally:
        server.stop(None).wait()


def test_every_kind_of_blocking_call_carries_it() -> None:
    with echo() as (address, seen), open_channel(address, credential=KEY) as channel:
        for kind in CALLS:
            call = getattr(channel, kind)(f"/t.Echo/{kind}")
            answer = call(iter([b""]) if kind.startswith("stream") else b"", timeout=10, metadata=(("x-more", "1"),))
            if kind.endswith("stream"):
                assert list(answer) == [b""]
    assert seen == [[f"Bearer {KEY}"]] * len(CALLS)


async def test_every_kind_of_asyncio_call_carries_it() -> None:
    async def one() -> AsyncIterator[bytes]:
        yield b""

    with echo() as (address, seen):
        async with open_aio_channel(address, credential=KEY) as channel:
            for kind in CALLS:
                call = getattr(channel, kind)(f"/t.Echo/{kind}")(
                    one() if kind.startswith("stream") else b"", timeout=10
                )
                if kind.endswith("stream"):
                    _ = [answer async for answer in call]
                else:
                    await call
    assert seen == [[f"Bearer {KEY}"]] * len(CALLS)


async def test_without_a_credential_nothing_is_sent() -> None:
    with echo() as (address, seen):
        async with open_aio_channel(address, credential="") as channel:
            make: Any = channel.unary_unary
            await make("/t.Echo/unary_unary")(b"", timeout=10)
    assert seen == [[]]
