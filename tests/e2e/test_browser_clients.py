"""The real server behind a real Envoy: gRPC-Web, Connect and gRPC clients, and pages of another origin in a browser."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import grpc.aio
import pytest
from vestibule.v1 import common_pb2, conversation_pb2, media_pb2, session_pb2

from tests.e2e.browser import needs_chromium, page_of_a_browser
from tests.e2e.harness import DATA, App, Server
from tests.envoy_proxy import ORIGIN, Proxy, envoy, needs_envoy
from tests.grpc_web import BINARY, CONNECT, CONNECT_STREAM, TEXT, WebClient, connect_error, connect_reason, frame
from tests.unit.docs.client_pages import NO_NODE, built

pytestmark = [pytest.mark.e2e, needs_envoy]
HERE = Path(__file__).resolve().parent
UNAUTHENTICATED, NOT_FOUND = 16, 5
HTTP = pytest.mark.parametrize("http2", [True, False], ids=["http2", "http1"])


def key_of(server: Server, *options: str) -> str:
    """A new key, of an app unless the options say otherwise."""
    options = options or ("--scope", "app", "--client", "my-app")
    command = [sys.executable, "-m", "server.cli", "keys", "create", *options]
    done = subprocess.run(
        [*command, "--address", server.address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=server.environment,
    )
    return done.stdout.strip()


@asynccontextmanager
async def proxied(server: Server, folder: Path, origin: str = ORIGIN) -> AsyncIterator[Proxy]:
    """Envoy before the server, for pages of one origin."""
    async with envoy(folder, int(server.address.rpartition(":")[2]), {ORIGIN: origin}) as proxy:
        yield proxy


async def session_of(client: WebClient, content_type: str = BINARY) -> str:
    """A new session."""
    request = session_pb2.StartSessionRequest(request_id=str(uuid.uuid4()), language="en")
    answer = await client.call("SessionService/StartSession", request, content_type=content_type)
    assert answer.status == 0
    (message,) = answer.messages
    return session_pb2.StartSessionResponse.FromString(message).session.id


@HTTP
async def test_grpc_web_calls_and_watches(server: Server, tmp_path: Path, http2: bool) -> None:
    key = key_of(server)
    async with proxied(server, tmp_path) as proxy, proxy.client(http2=http2) as http:
        client = WebClient(http, key)
        for content_type in (BINARY, TEXT):
            session_id = await session_of(client, content_type)
            await _watched_until_it_ends(client, session_id, content_type)
        unknown = session_pb2.GetSessionRequest(session_id=str(uuid.uuid4()))
        for content_type in (BINARY, TEXT):
            answer = await client.call("SessionService/GetSession", unknown, content_type=content_type)
            assert (answer.status, answer.reason) == (NOT_FOUND, "SESSION_NOT_FOUND")
        answer = await WebClient(http, None).call("SessionService/GetSession", unknown)
        assert (answer.status, answer.reason) == (UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def _watched_until_it_ends(client: WebClient, session_id: str, content_type: str) -> bytes:
    """The session ends only after its first message was received, so messages come one by one; returns the end."""
    request = session_pb2.WatchSessionRequest(session_id=session_id)
    async with client.stream("SessionService/WatchSession", request, content_type) as stream:
        first = await stream.next(session_pb2.WatchSessionResponse)
        assert first is not None
        assert first.session.state != common_pb2.SESSION_STATE_ABANDONED
        end = session_pb2.AbandonSessionRequest(session_id=session_id)
        assert (await client.call("SessionService/AbandonSession", end)).status == 0
        while (message := await stream.next(session_pb2.WatchSessionResponse)) is not None:
            last = message
        assert last.session.state == common_pb2.SESSION_STATE_ABANDONED
        return stream.end


@HTTP
async def test_connect_calls_and_watches(server: Server, tmp_path: Path, http2: bool) -> None:
    key = key_of(server)
    async with proxied(server, tmp_path) as proxy, proxy.client(http2=http2) as http:
        client = WebClient(http, key)
        request = session_pb2.StartSessionRequest(request_id=str(uuid.uuid4()), language="en")
        response = await client.connect("SessionService/StartSession", request)
        assert (response.status_code, response.headers["content-type"]) == (200, CONNECT)
        session_id = session_pb2.StartSessionResponse.FromString(response.content).session.id
        assert "error" not in json.loads(await _watched_until_it_ends(client, session_id, CONNECT_STREAM))
        await _errors_of_connect(client, WebClient(http, None))


async def _errors_of_connect(client: WebClient, stranger: WebClient) -> None:
    unknown = session_pb2.GetSessionRequest(session_id=str(uuid.uuid4()))
    for caller, status, code, reason in (
        (client, 404, "not_found", "SESSION_NOT_FOUND"),
        (stranger, 401, "unauthenticated", "CREDENTIALS_MISSING"),
    ):
        response = await caller.connect("SessionService/GetSession", unknown)
        error = connect_error(response.content)
        assert (response.status_code, error["code"], connect_reason(error)) == (status, code, reason)
    watch = session_pb2.WatchSessionRequest(session_id=str(uuid.uuid4()))
    async with client.stream("SessionService/WatchSession", watch, CONNECT_STREAM) as stream:
        assert await stream.next(session_pb2.WatchSessionResponse) is None
        assert connect_reason(connect_error(stream.end)) == "SESSION_NOT_FOUND"
    response = await client.post("SessionService/GetSession", b"{}", "application/json")
    assert (response.status_code, connect_error(response.content)["code"]) == (415, "unimplemented")


async def test_a_picture_is_uploaded_and_downloaded_by_grpc_web(server: Server, tmp_path: Path) -> None:
    key = key_of(server)
    async with proxied(server, tmp_path) as proxy, proxy.client() as http:
        client = WebClient(http, key)
        picture = (DATA / "register.jpg").read_bytes()
        description = media_pb2.UploadDescription(
            upload_id=str(uuid.uuid4()),
            session_id=await session_of(client),
            kind=media_pb2.MEDIA_KIND_METER,
            size_bytes=len(picture),
            sha256=hashlib.sha256(picture).digest(),
            media_type="image/jpeg",
        )
        parts = [media_pb2.UploadRequest(data=picture[at : at + 65536]) for at in range(0, len(picture), 65536)]
        sent = await client.call("MediaService/Upload", media_pb2.UploadRequest(description=description), *parts)
        assert sent.status == 0
        watch = media_pb2.WatchUploadRequest(upload_id=description.upload_id)
        read = await client.call("MediaService/WatchUpload", watch)
        last = media_pb2.WatchUploadResponse.FromString(read.messages[-1]).upload
        assert last.state == media_pb2.UPLOAD_STATE_DONE
        download = media_pb2.DownloadRedactedRequest(upload_id=description.upload_id)
        got = await client.call("MediaService/DownloadRedacted", download)
        assert got.status == 0
        assert b"".join(media_pb2.DownloadRedactedResponse.FromString(one).data for one in got.messages)


@HTTP
async def test_what_is_not_for_browsers_is_refused(server: Server, tmp_path: Path, http2: bool) -> None:
    key = key_of(server, "--scope", "operator")
    methods = (
        "/vestibule.v1.AdminService/GetStatus",
        "/vestibule.v1.AccessService/ListApiKeys",
        "/vestibule.v1.SessionService/../vestibule.v1.AdminService/GetStatus",
        "/vestibule.v1.SessionService/%2e%2e/vestibule.v1.AdminService/GetStatus",
        "/vestibule.v1.SessionService%2f..%2fvestibule.v1.AdminService/GetStatus",
        "//vestibule.v1.AdminService/GetStatus",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.health.v1.Health/Check",
    )
    headers = {"authorization": f"Bearer {key}", "content-type": BINARY}
    async with proxied(server, tmp_path) as proxy, proxy.client(http2=http2) as http:
        for method in methods:
            response = await http.post(method, content=b"\0\0\0\0\0", headers=headers)
            assert response.status_code in {400, 404}, method
            assert not response.content
        got = await http.get("/vestibule.v1.SessionService/GetSession?connect=v1&encoding=proto", headers=headers)
        assert got.status_code == 404


@HTTP
async def test_only_pages_of_the_named_origin_may_call(server: Server, tmp_path: Path, http2: bool) -> None:
    path = "/vestibule.v1.SessionService/StartSession"
    asks = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-grpc-web",
    }
    async with proxied(server, tmp_path) as proxy, proxy.client(http2=http2) as http:
        allowed = await http.options(path, headers=asks | {"origin": ORIGIN})
        assert allowed.headers["access-control-allow-origin"] == ORIGIN
        assert set(asks["access-control-request-headers"].split(",")) <= set(
            allowed.headers["access-control-allow-headers"].split(", ")
        )
        for origin in (f"{ORIGIN}.example.net", "https://example.com", "http://app.example.com", "null"):
            refused = await http.options(path, headers=asks | {"origin": origin})
            assert "access-control-allow-origin" not in refused.headers
        request = frame(session_pb2.StartSessionRequest(request_id=str(uuid.uuid4())))
        exposed = await WebClient(http, None, ORIGIN).post("SessionService/StartSession", request, BINARY)
        assert "grpc-status-details-bin" in exposed.headers["access-control-expose-headers"]


async def test_grpc_passes_with_streams_in_both_directions(server: Server, tmp_path: Path) -> None:
    key = [("authorization", f"Bearer {key_of(server)}")]
    async with proxied(server, tmp_path) as proxy, proxy.client() as http:
        config = conversation_pb2.ConverseConfig(session_id=await session_of(WebClient(http, key[0][1][7:])))
        text = conversation_pb2.TypedText(text="I am Maria Lopez, here to read the meter.")
        credentials = grpc.ssl_channel_credentials(proxy.ca.pem)
        configured, finals = asyncio.Event(), []

        async def sent() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            yield conversation_pb2.ConverseRequest(config=config)
            await configured.wait()  # it answers before the client has sent everything
            yield conversation_pb2.ConverseRequest(text=text)

        async with grpc.aio.secure_channel(proxy.address, credentials) as channel:
            async for one in App(channel).conversations.Converse(sent(), metadata=key):
                if one.HasField("configured"):
                    configured.set()
                if one.HasField("final"):
                    finals.append(one.final.text.value)
    assert finals == ["I am [REDACTED_NAME], here to read the meter."]


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """Serve a folder; gives the origin."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{served.server_port}"
        finally:
            served.shutdown()


@needs_chromium
async def test_a_page_of_another_origin_watches_a_session(server: Server, tmp_path: Path) -> None:
    key = key_of(server)
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(HERE / "grpc_web_page.html", site / "index.html")
    with pages(site) as origin, pages(site) as another:
        async with proxied(server, tmp_path, origin) as proxy, proxy.client() as http:
            client = WebClient(http, key)
            session_id = await session_of(client)
            watch = frame(session_pb2.WatchSessionRequest(session_id=session_id)).hex()
            arguments = [f"{proxy.url}/vestibule.v1.SessionService/WatchSession", key, watch]
            async with page_of_a_browser(insecure=True) as page:
                await page.goto(origin)
                await page.evaluate("given => { watch(...given) }", arguments)
                await page.wait_for_function("messages.length > 0")
                assert await page.evaluate("trailers") is None, "the stream goes on"
                end = session_pb2.AbandonSessionRequest(session_id=session_id)
                assert (await client.call("SessionService/AbandonSession", end)).status == 0
                await page.wait_for_function("trailers !== null")
                received = await page.evaluate("messages")
                assert "grpc-status:0" in await page.evaluate("trailers")
            last = session_pb2.WatchSessionResponse.FromString(bytes.fromhex(received[-1]))
            assert last.session.state == common_pb2.SESSION_STATE_ABANDONED
            async with page_of_a_browser(insecure=True, expected=("CORS", "ERR_FAILED")) as page:
                await page.goto(another)
                with pytest.raises(Exception, match="Failed to fetch"):
                    await page.evaluate("given => watch(...given)", arguments)


@needs_chromium
@NO_NODE
async def test_the_page_of_the_docs(server: Server, tmp_path: Path) -> None:
    key = key_of(server)
    folder = await asyncio.to_thread(built, "browsers.md", tmp_path / "page", ("npm install", "npm ci --silent"))
    with pages(folder) as origin:
        async with proxied(server, tmp_path, origin) as proxy, page_of_a_browser(insecure=True) as page:
            await page.goto(f"{origin}/index.html#{proxy.url}")
            await page.get_by_label("Key").fill(key)
            await page.get_by_role("button", name="Start").click()
            await page.get_by_text("Which site are you at?").wait_for()
            await page.get_by_label("Answer").fill("Pump station 7")
            await page.get_by_role("button", name="Send").click()
            await page.get_by_text("site_name: Pump station 7").wait_for()
            await page.get_by_label("Answer").fill("many")
            await page.get_by_role("button", name="Send").click()
            await page.get_by_text("ANSWER_INVALID").wait_for()
