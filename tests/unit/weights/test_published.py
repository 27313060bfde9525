"""Sizes of Whisper are downloaded from where openai-whisper says, by real HTTP, and added like any other checkpoint."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import whisper
from click.testing import CliRunner, Result

from models.weights.published import _address_of
from server.cli.main import cli
from server.cli.weights import SIZES
from tests.unit.speech.adding.made import checkpoint


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A checkpoint behind an address of its digest, which openai-whisper names for "small"."""
    folder = tmp_path / "served"
    folder.mkdir()
    file = checkpoint(folder / "small.pt")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / digest).mkdir()
    file = file.rename(folder / digest / "small.pt")
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        monkeypatch.setitem(whisper._MODELS, "small", f"http://127.0.0.1:{server.server_port}/{digest}/small.pt")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield file
        server.shutdown()
        thread.join()


def add(*options: str) -> Result:
    return CliRunner().invoke(cli, ["models", "add", *options])


def left_in(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache" / "weights").glob("*") if path.is_dir()]


def test_a_published_size_is_downloaded_and_added(published: Path, tmp_path: Path) -> None:
    added = add("small", "--size", "small")
    assert added.exit_code == 0, added.output
    assert hashlib.sha256(published.read_bytes()).hexdigest() in added.stdout
    assert "VESTIBULE_SPEECH__WEIGHTS=small" in added.stdout
    assert left_in(tmp_path) == ["small"]
    [record] = (tmp_path / "cache").rglob("added.json")
    assert json.loads(record.read_text())["licence"] == "MIT"


def test_a_file_that_is_not_the_published_one_is_refused(published: Path, tmp_path: Path) -> None:
    content = bytearray(published.read_bytes())
    content[-1] ^= 1
    published.write_bytes(content)
    refused = add("small", "--size", "small")
    assert (refused.exit_code, "[WEIGHTS_MISMATCH]" in refused.stderr) == (1, True)
    assert left_in(tmp_path) == []


def test_a_download_that_fails_says_what_to_do(published: Path, tmp_path: Path) -> None:
    published.unlink()
    refused = add("small", "--size", "small")
    assert (refused.exit_code, "[WEIGHTS_FETCH_FAILED]" in refused.stderr) == (1, True)
    assert "--path" in refused.stderr
    assert left_in(tmp_path) == []


def test_a_name_that_is_taken_is_refused_before_the_download(published: Path) -> None:
    assert add("mine", "--size", "small").exit_code == 0
    published.unlink()
    assert "[WEIGHTS_NAME_TAKEN]" in add("mine", "--size", "small").stderr


@pytest.mark.parametrize("options", [[], ["--size", "small", "--path", "."], ["--size", "small", "--licence", "MIT"]])
def test_options_that_contradict_each_other_are_refused(options: list[str], tmp_path: Path) -> None:
    assert add("mine", *options).exit_code == 2


@pytest.mark.parametrize("size", SIZES)
def test_each_size_has_an_address_with_a_digest(size: str) -> None:
    secure, _, *_, digest, name = _address_of(size).split("/")
    assert (secure, len(bytes.fromhex(digest)), name.startswith(size)) == ("https:", 32, True)
