"""A Hub of this process, which huggingface_hub asks instead of the published one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from models.weights.types import Weights


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does: an ETag and the commit, of which its client asks before it reads."""

    files: Mapping[str, bytes]
    asked: list[str]

    def do_HEAD(self) -> None:
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        if content is not None:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", self.path.split("/")[4])
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()

    def do_GET(self) -> None:
        if self.path in self.files:  # its client also asks for what is none of ours
            self.asked.append(self.path)
        self.do_HEAD()
        self.wfile.write(self.files.get(self.path, b""))

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def served_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """Run one in this process, as ``HF_ENDPOINT`` would name it. It has the files that are put on it."""
    handler = type("_ThisHub", (Hub,), {"files": {}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        )
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield handler
        server.shutdown()
        thread.join()


def on_hub(weights: Weights, *contents: bytes) -> dict[str, bytes]:
    """The files of weights by their paths on the Hub."""
    assert weights.hub
    root = f"/{weights.hub.repository}/resolve/{weights.hub.revision}"
    return {f"{root}/{f.name}": content for f, content in zip(weights.files, contents, strict=True)}
