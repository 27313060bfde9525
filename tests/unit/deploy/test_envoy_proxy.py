"""A real Envoy before a small gRPC server: certificates, bounds, and what reaches the server."""

from __future__ import annotations

import asyncio
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx2
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from vestibule.v1 import session_pb2

from tests.certificates import Issued, issue
from tests.envoy_proxy import FILES, Proxy, envoy, needs_envoy, show_certificate
from tests.eventually import eventually
from tests.grpc_web import BINARY, CONNECT, WebClient, frame

pytestmark = [pytest.mark.slow, needs_envoy]
PAGE = FILES.parents[1] / "docs" / "operating" / "envoy.md"
ASKED = session_pb2.GetSessionRequest(session_id=str(uuid.uuid4()))
UNAVAILABLE = 14
"""What gRPC-Web says of every answer of Envoy itself."""


class Sessions:
    """Answers with the id that was asked for, and keeps the metadata of the last call."""

    def __init__(self) -> None:
        self.metadata: dict[str, str | bytes] = {}

    async def get_session(
        self, request: session_pb2.GetSessionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> session_pb2.GetSessionResponse:
        self.metadata = dict(context.invocation_metadata() or ())
        return session_pb2.GetSessionResponse(session=session_pb2.Session(id=request.session_id))

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """What a server needs of it."""
        method = grpc.unary_unary_rpc_method_handler(
            self.get_session,
            request_deserializer=session_pb2.GetSessionRequest.FromString,
            response_serializer=session_pb2.GetSessionResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler("vestibule.v1.SessionService", {"GetSession": method})


@asynccontextmanager
async def proxied(
    folder: Path, edits: Mapping[str, str] | None = None, certificate: Issued | None = None
) -> AsyncIterator[tuple[Proxy, Sessions]]:
    """Envoy before a server with plain text, or with a certificate."""
    server, sessions, healthy = grpc.aio.server(), Sessions(), health.aio.HealthServicer()  # type: ignore[attr-defined]
    server.add_generic_rpc_handlers((sessions.handler(),))
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        pair = [(certificate.key_pem, certificate.pem)]
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
    await server.start()
    try:
        async with envoy(folder, port, edits) as proxy:
            yield proxy, sessions
    finally:
        await server.stop(0)


async def test_the_server_gets_no_header_that_a_client_may_forge(tmp_path: Path) -> None:
    forged = {
        "x-forwarded-for": "192.0.2.7",
        "x-real-ip": "192.0.2.7",
        "forwarded": "for=192.0.2.7",
        "x-envoy-external-address": "192.0.2.7",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "cookie": "login=stolen",
    }
    async with proxied(tmp_path) as (proxy, sessions), proxy.client() as http:
        response = await WebClient(http, "a-key").post("SessionService/GetSession", frame(ASKED), BINARY, **forged)
        assert response.status_code == 200
        assert sessions.metadata["authorization"] == "Bearer a-key"
        assert not {"192.0.2.7", "1", "login=stolen"} & set(sessions.metadata.values())


async def test_neither_bodies_nor_queries_nor_credentials_are_logged(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, _), proxy.client() as http:
        client = WebClient(http, "key-4711")
        await client.post(
            "SessionService/GetSession?message=query-4711", b"body-4711", BINARY, **{"user-agent": "4711"}
        )
        await eventually(lambda: "/vestibule.v1.SessionService/GetSession" in proxy.log)
    assert "4711" not in proxy.log


async def test_the_calls_of_one_address_are_bounded_and_those_of_others_go_on(tmp_path: Path) -> None:
    edits = {"max_tokens: 500, tokens_per_fill: 100, fill_interval: 1s": "max_tokens: 3, fill_interval: 3600s"}
    async with proxied(tmp_path, edits) as (proxy, _):
        async with proxy.client() as http:
            answers = [await WebClient(http, None).call("SessionService/GetSession", ASKED) for _ in range(4)]
            assert [one.status for one in answers] == [0, 0, 0, UNAVAILABLE]
        async with proxy.client(local_address="127.0.0.2") as http:
            assert (await WebClient(http, None).call("SessionService/GetSession", ASKED)).status == 0


async def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, _):
        host, _, port = proxy.address.rpartition(":")
        renewed = issue("renewed", proxy.ca)
        show_certificate(tmp_path, renewed)
        expected = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(renewed.pem.decode()))
        await eventually(lambda: ssl.get_server_certificate((host, int(port))) == expected)
        async with proxy.client() as http:
            assert (await WebClient(http, None).call("SessionService/GetSession", ASKED)).status == 0


async def test_a_request_of_connect_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, _), proxy.client(http2=False) as http:
        client = WebClient(http, None)
        headers = {"connect-protocol-version": "1"}
        for size, status in ((900_000, 200), (1_100_000, 413)):
            body = session_pb2.GetSessionRequest(session_id="x" * size).SerializeToString()
            response = await client.post("SessionService/GetSession", body, CONNECT, **headers)
            assert response.status_code == status


async def test_a_server_with_tls_is_reached_if_its_certificate_is_good(tmp_path: Path) -> None:
    ours = issue("CA of the server")
    for trusted, name, status in (
        (ours, "vestibule.internal", 0),
        (issue("another CA"), "vestibule.internal", UNAVAILABLE),
        (ours, "other.internal", UNAVAILABLE),
    ):
        folder = tmp_path / str(uuid.uuid4())
        folder.mkdir()
        (folder / "server-ca.pem").write_bytes(trusted.pem)
        server = issue("server", ours, hosts=(name,))
        edits = {"      type: STRICT_DNS\n": f"      type: STRICT_DNS\n{_tls_of_the_page()}"}
        if status:  # Envoy never calls such a server healthy
            edits["cluster_min_healthy_percentages: { vestibule: { value: 1 } }"] = ""
        async with proxied(folder, edits, server) as (proxy, _), proxy.client() as http:
            assert (await WebClient(http, None).call("SessionService/GetSession", ASKED)).status == status


def _tls_of_the_page() -> str:
    """What the page adds to the cluster."""
    (block,) = re.findall(r"```yaml\n( +transport_socket:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


async def test_old_tls_and_plain_text_are_refused(tmp_path: Path) -> None:
    async with proxied(tmp_path) as (proxy, _):
        host, _, port = proxy.address.rpartition(":")
        old = proxy.tls
        with pytest.warns(DeprecationWarning):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
            await asyncio.open_connection(host, int(port), ssl=old)
        _, writer = await asyncio.open_connection(host, int(port), ssl=proxy.tls)
        writer.close()
        async with httpx2.AsyncClient(timeout=60.0) as http:
            with pytest.raises(httpx2.TransportError):
                await http.get(f"http://{proxy.address}/healthz")
