"""The kernel counts, resets and refuses connections of the port, and real floods are refused."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from vestibule.v1 import media_pb2, media_pb2_grpc, session_pb2_grpc

from benchmarks._attack_lines import Attack
from benchmarks._attacks import ATTACKS
from benchmarks._raw_http2 import PING, RawClient, frame, grpc_message
from models.errors import Unauthenticated
from server.access.peer import Network
from server.rpc.endpoints import Endpoint, endpoint_of
from server.rpc.interceptors.authenticate import CREDENTIAL_KEY
from server.rpc.interceptors.base import Call
from server.rpc.kernel_filters import MOST_NETWORKS
from server.rpc.port_sockets import PortSockets
from tests.fakes.access import OpenAccess
from tests.unit.rpc.test_call_limits import GET, REQUEST, port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a connection has brought")

GOOD, BAD = "127.0.0.1", "127.9.0.2"


@dataclass(frozen=True)
class Listening:
    """A listening socket, as gRPC has one."""

    sock: socket.socket
    sockets: PortSockets

    def connect(self, source: str) -> socket.socket:
        host = source if ":" in source else GOOD
        return socket.create_connection((host, self.sock.getsockname()[1]), 0.5, (source, 0))

    def reachable(self, source: str) -> bool:
        with contextlib.suppress(TimeoutError), self.connect(source):
            return True
        return False


@contextlib.contextmanager
def listening(host: str, *, both: bool = False) -> Iterator[Listening]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family, dualstack_ipv6=both, backlog=512) as sock,
        contextlib.closing(PortSockets(sock.getsockname()[1])) as sockets,
    ):
        yield Listening(sock, sockets)


def test_bytes_count_whether_they_were_read_or_not() -> None:
    with listening(GOOD) as server, server.connect(BAD) as client:
        client.sendall(bytes(1000))
        accepted, _ = server.sock.accept()
        with accepted:
            accepted.recv(400)
            assert server.sockets.received() == {endpoint_of(*client.getsockname()): 1000}


@pytest.mark.parametrize("closes_first", ["client", "server"])
@pytest.mark.parametrize(("host", "source"), [(GOOD, BAD), ("::", BAD), ("::1", "::1")])
def test_connections_that_have_ended_are_reported_with_what_they_brought(
    host: str, source: str, closes_first: str
) -> None:
    with listening(host, both=host == "::") as server, listening(GOOD) as other:
        expected = []
        for size_bytes in (0, 1000):
            client = server.connect(source)
            expected.append((endpoint_of(*client.getsockname()[:2]), size_bytes))
            client.sendall(bytes(size_bytes))
            accepted, _ = server.sock.accept()
            accepted.recv(1000) if size_bytes else None
            for end in (client, accepted) if closes_first == "client" else (accepted, client):
                end.close()
        ended: list[tuple[Endpoint, int]] = []
        while len(ended) < len(expected):
            ended += server.sockets.ended()
        # The end of what the client sends counts as a byte.
        assert [(peer, received & ~1) for peer, received in ended] == expected
        assert server.sockets.ended() == other.sockets.ended() == []


def test_a_connection_is_reset_and_what_it_brought_is_dropped() -> None:
    with listening(GOOD) as server, server.connect(BAD) as client, server.connect(GOOD) as other:
        (bad, _), (good, _) = server.sock.accept(), server.sock.accept()
        with bad, good:
            client.sendall(bytes(1000))
            other.sendall(b"x")
            server.sockets.cut([endpoint_of(*client.getsockname())])
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            with pytest.raises(OSError):
                bad.recv(1000)
            assert good.recv(1) == b"x"
            assert list(server.sockets.received()) == [endpoint_of(*other.getsockname())]


@pytest.mark.parametrize("both", [False, True])
def test_a_network_is_refused_until_it_is_not_named_any_more(both: bool) -> None:
    with listening("::" if both else GOOD, both=both) as server:
        server.sockets.refuse([IPv4Address("192.0.2.1"), IPv4Address(BAD)])
        assert [server.reachable(GOOD), server.reachable(BAD)] == [True, False]
        server.sockets.refuse([IPv4Address("192.0.2.1")])
        assert server.reachable(BAD)
        server.sockets.refuse([])
        server.sockets.refuse([])
        assert server.reachable(BAD)


def test_a_network_of_ipv6_is_refused() -> None:
    with listening("::1") as server:
        server.sockets.refuse([IPv4Address(BAD), IPv6Network("2001:db8::/64"), IPv6Network("::/64")])
        assert not server.reachable("::1")
        server.sockets.refuse([IPv6Network("2001:db8::/64")])
        assert server.reachable("::1")


def test_an_address_of_ipv6_is_refused_and_its_neighbour_is_not() -> None:
    with listening("::1") as server:
        server.sockets.refuse([IPv6Network("::2/128"), IPv6Network("0:0:1::1/128"), IPv6Network("::1:0:1/128")])
        assert server.reachable("::1")
        server.sockets.refuse([IPv6Network("::2/128"), IPv6Network("::1/128")])
        assert not server.reachable("::1")


def test_no_look_is_taken_for_one_without_connections_when_no_descriptor_is_free() -> None:
    with listening(GOOD) as server, server.connect(BAD) as client:
        accepted, _ = server.sock.accept()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with accepted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                with pytest.raises(OSError) as error:
                    server.sockets.received()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert error.value.errno == errno.EMFILE
            assert list(server.sockets.received()) == [endpoint_of(*client.getsockname())]


def test_a_number_that_becomes_the_ledgers_file_at_the_worst_moment_keeps_its_lock(tmp_path: Path) -> None:
    program = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'wb'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with listening(GOOD) as server, server.connect(BAD), (tmp_path / "ledger").open("wb") as ledger:
        accepted, _ = server.sock.accept()
        with accepted:
            fcntl.lockf(ledger, fcntl.LOCK_EX)
            connections = server.sockets._connections()
            while next(connections)[0].fileno() != accepted.fileno():
                pass
            os.dup2(ledger.fileno(), accepted.fileno())  # gRPC closed the connection, and the number was used again
            assert list(connections) == []
            assert server.sockets.received() == {}
            server.sockets.refuse([IPv4Address(BAD)])
            other = subprocess.run([sys.executable, "-c", program, ledger.name], stderr=subprocess.PIPE, check=False)
            assert b"BlockingIOError" in other.stderr


def test_the_kernel_takes_as_many_networks_as_are_kept() -> None:
    networks: list[Network] = [IPv6Network((n << 64, 64)) for n in range(1, MOST_NETWORKS + 50)]
    with listening(GOOD) as server:
        server.sockets.refuse([*networks, IPv4Address(BAD)])
        assert [server.reachable(GOOD), server.reachable(BAD)] == [True, False]


class NoCredentialIsGood(OpenAccess):
    """Refuses calls that bring a credential, and lets others pass."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse the call, or set its caller."""
        if call.metadata(CREDENTIAL_KEY):
            raise Unauthenticated("The credential is not valid.")
        async with super().around(call):
            yield


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in {"stall", "trickle", "mp4 streams"}])
async def test_a_flood_ends_its_address_and_nobody_else_notices(name: str) -> None:
    async with (
        port(NoCredentialIsGood(), flood_bytes=256 * 1024, flood_refused_s=60.0) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        asyncio.timeout(30),
    ):
        stub = session_pb2_grpc.SessionServiceStub(channel)
        await stub.GetSession(REQUEST)
        with contextlib.closing(Attack(server.address, BAD)) as attack:
            await asyncio.to_thread(_until_refused, attack, name)
        for _ in range(20):
            await stub.GetSession(REQUEST)
        assert server.metrics.registry.get_sample_value("vestibule_floods_total") == 1


async def test_large_uploads_that_are_refused_before_they_are_read_are_no_flood() -> None:
    async def refused(stub: Any) -> bool:
        async def parts() -> AsyncIterator[media_pb2.UploadRequest]:
            for _ in range(40):
                yield media_pb2.UploadRequest(data=bytes(256 * 1024))

        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Upload(parts())
        return error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    async with (
        port(flood_bytes=8 * 1024 * 1024, client_calls_per_s=0.001, client_calls_burst=1) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        asyncio.timeout(30),
    ):
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(REQUEST)
        stub = media_pb2_grpc.MediaServiceStub(channel)
        # grpc.aio loses the status of a call that is refused at once now and then, but not that of most.
        assert sum([await refused(stub) for _ in range(30)]) > 20
        assert server.metrics.registry.get_sample_value("vestibule_floods_total") == 0


@pytest.mark.parametrize(("refused_s", "gone"), [(30.0, False), (0.0, True)], ids=["guarded", "without a guard"])
async def test_pings_are_answered_however_many_there_are_where_the_guard_runs(refused_s: float, gone: bool) -> None:
    async with port(flood_refused_s=refused_s) as server, asyncio.timeout(30):
        assert await asyncio.to_thread(_gone_after_pings, server.address, 10_000) is gone


def _gone_after_pings(address: str, number: int) -> bool:
    """Whether the server closes the connection; otherwise it must answer a call on it."""
    with RawClient(address) as client:
        try:
            client.sock.sendall(number * frame(PING, 0, 0, bytes(8)))
            answer = client.answer(client.open(GET, grpc_message(REQUEST.SerializeToString()), end=True))
        except ConnectionError:  # it was closed before all was sent
            return True
        assert answer.gone or answer.status == grpc.StatusCode.OK.value[0]
        return answer.gone


def _until_refused(attack: Attack, name: str) -> None:
    step = ATTACKS[name](attack)
    while not attack.refused:
        step()
