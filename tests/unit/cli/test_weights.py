"""`vestibule models` on a cache with tiny pinned files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import models.weights.sources
import models.weights.store
from models.errors import WeightsError
from models.weights.types import PinnedFile, Weights
from server.cli.config import load_settings
from server.cli.fetch_progress import line_when_done
from server.cli.main import cli
from server.cli.weights import needed_weights
from server.preflight import SETTINGS_CHECKS
from server.settings import Settings
from tests.unit.redaction.own_model.made import untrained
from tests.unit.speech.adding.made import checkpoint

CONTENT = b"not really a model"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, and a table of weights with one entry."""
    tiny = Weights(
        name="tiny",
        purpose="a test",
        files=(PinnedFile("model.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), ()),),
        wheels=(),
        hub=None,
        licence="CC0-1.0",
        attribution="nobody",
    )
    monkeypatch.setattr(models.weights.store, "ALL", {"tiny": tiny})
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "model.bin").write_bytes(CONTENT)
    return folder


def test_list_fetch_verify(cache: Path, source: Path) -> None:
    run = CliRunner()
    before = json.loads(run.invoke(cli, ["models", "list", "--json"]).stdout)
    assert [(w["name"], w["here"], w["needed"]) for w in before] == [("tiny", False, False)]

    fetched = run.invoke(cli, ["models", "fetch", "tiny", "--source", str(source)])
    assert fetched.exit_code == 0, fetched.output
    assert "Fetching model weights" in fetched.stderr
    assert "Weights ready and verified: tiny" in fetched.stdout
    assert list(cache.rglob("model.bin"))

    again = run.invoke(cli, ["models", "fetch", "tiny", "--source", str(source)])
    assert again.stderr == "", "a second run finds them"
    assert run.invoke(cli, ["models", "verify"]).stdout == "tiny: verified\n"
    assert "tiny" in run.invoke(cli, ["models", "list"]).stdout


def test_a_changed_file_is_found(cache: Path, source: Path) -> None:
    run = CliRunner()
    run.invoke(cli, ["models", "fetch", "tiny", "--source", str(source)])
    (placed,) = cache.rglob("model.bin")
    placed.write_bytes(CONTENT[::-1])
    result = run.invoke(cli, ["models", "verify"])
    assert result.exit_code == 1
    assert "WEIGHTS_MISMATCH" in result.stderr


def test_verifying_an_empty_cache_fails(cache: Path) -> None:
    result = CliRunner().invoke(cli, ["models", "verify"])
    assert result.exit_code == 1
    assert "vestibule models fetch" in result.stderr


def test_an_unknown_source_is_wrong_usage(cache: Path) -> None:
    assert CliRunner().invoke(cli, ["models", "fetch", "tiny", "--source", "nowhere"]).exit_code == 2


def test_the_server_needs_the_weights_of_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_SPEECH__WEIGHTS", "whisper-tiny.en")
    wanted = ["whisper-tiny.en", "silero-vad", "rampart-pii", "name-lists", "yunet-faces"]
    assert needed_weights(load_settings()) == wanted
    monkeypatch.setenv("VESTIBULE_SPEECH__PARTIAL_WEIGHTS", "whisper-tiny.en")
    assert needed_weights(load_settings()) == wanted, "each once"
    monkeypatch.setenv("VESTIBULE_SPEECH__WEIGHTS", "whisper-base")
    assert needed_weights(load_settings()) == ["whisper-base", *wanted]


@pytest.mark.parametrize(
    ("pip", "style"), [("23.2.1", "off"), ("24.0", "off"), ("24.1", "raw"), ("26.0b1", "raw"), ("unknown", "off")]
)
def test_progress_of_pip_depends_on_its_version(pip: str, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.weights.sources, "version", lambda name: pip)
    assert models.weights.sources._progress_style() == style


def test_a_cache_that_cannot_be_made_is_reported(cache: Path, source: Path) -> None:
    cache.touch()
    result = CliRunner().invoke(cli, ["models", "fetch", "tiny", "--source", str(source)])
    assert result.exit_code == 1
    assert "[FOLDER_UNUSABLE]" in result.stderr
    assert "VESTIBULE_CACHE_DIR" in result.stderr


def test_each_file_that_was_fetched_is_told_once_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    progress = line_when_done()
    for what, size in (("large", 66_400_000), ("small", 233_000), ("large", 66_400_000)):
        for done in (0, size // 2, size, size):
            progress(what, done, size)
    assert capsys.readouterr().err.splitlines() == ["  large: 66 MB", "  small: 233 kB", "  large: 66 MB"]


def test_a_model_of_ones_own_is_added_listed_verified_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    run = CliRunner()
    added = run.invoke(cli, ["models", "add", "mine", "--path", str(checkpoint(tmp_path / "mine.pt"))])
    assert added.exit_code == 0, added.output
    assert "VESTIBULE_SPEECH__WEIGHTS=mine" in added.stdout
    again = run.invoke(cli, ["models", "add", "other", "--path", str(tmp_path / "mine.pt"), "--licence", "MIT\nGPL"])
    assert (again.exit_code, "such as MIT" in again.stderr) == (2, True)
    listed = {w["name"]: w for w in json.loads(run.invoke(cli, ["models", "list", "--json"]).stdout)}
    assert (listed["mine"]["added"], listed["mine"]["here"], listed["whisper-base"]["added"]) == (True, True, False)
    assert run.invoke(cli, ["models", "verify"]).stdout == "mine: verified\n"
    monkeypatch.setenv("VESTIBULE_SPEECH__WEIGHTS", "mine")
    assert needed_weights(load_settings())[0] == "mine"
    assert run.invoke(cli, ["models", "remove", "mine"]).exit_code == 1, "the settings choose it"
    monkeypatch.delenv("VESTIBULE_SPEECH__WEIGHTS")
    assert run.invoke(cli, ["models", "remove", "mine"]).stdout == "Removed mine.\n"
    assert "mine" not in run.invoke(cli, ["models", "list"]).stdout


@pytest.mark.parametrize("name", ["Clinic!", "whisper-base", "../x", "A", "a b", "clinic-"])
def test_a_name_that_cannot_be_given_is_refused_before_the_model_is_read(
    tmp_path: Path, cache: Path, name: str
) -> None:
    added = CliRunner().invoke(cli, ["models", "add", name, "--path", str(tmp_path)])
    assert added.exit_code == 1
    assert added.stderr.startswith("Error: "), "nothing was read yet"
    assert "[WEIGHTS_NAME_" in added.stderr


@pytest.mark.parametrize("names", [("nobody",), ("tiny", "nobody"), ("nobody", "tiny")])
def test_unknown_weights_are_refused_before_any_are_fetched(cache: Path, source: Path, names: tuple[str, ...]) -> None:
    fetched = CliRunner().invoke(cli, ["models", "fetch", *names, "--source", str(source)])
    assert fetched.exit_code == 1
    assert fetched.stderr.startswith("Error: There are no weights named 'nobody'."), fetched.stderr


def test_a_path_without_a_model_is_refused_with_what_can_be_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    result = CliRunner().invoke(cli, ["models", "add", "mine", "--path", str(tmp_path)])
    assert result.exit_code == 1
    assert "[WEIGHTS_INVALID]" in result.stderr
    assert "ct2-transformers-converter" in result.stderr


def test_a_token_classifier_is_added_with_its_labels_and_chosen_for_redaction_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    folder, labels, run = untrained(tmp_path), tmp_path / "labels.yaml", CliRunner()
    unknown = run.invoke(cli, ["models", "add", "hives", "--path", str(folder)])
    assert (unknown.exit_code, "[WEIGHTS_INVALID]" in unknown.stderr) == (1, True)
    assert "COLONY: ID" in unknown.stderr, "a file to start from"
    labels.write_text("COLONY: NAME\n", encoding="utf-8")
    added = run.invoke(cli, ["models", "add", "hives", "--path", str(folder), "--labels", str(labels)])
    assert added.exit_code == 0, added.output
    assert "VESTIBULE_REDACTION__NER_WEIGHTS=hives" in added.stdout
    listed = {w["name"]: w for w in json.loads(run.invoke(cli, ["models", "list", "--json"]).stdout)}
    assert listed["hives"]["purpose"] == "personal words in text: COLONY as NAME"
    assert run.invoke(cli, ["models", "verify"]).stdout == "hives: verified\n"
    monkeypatch.setenv("VESTIBULE_REDACTION__NER_WEIGHTS", "hives")
    assert "hives" in needed_weights(load_settings())
    check_settings_alone(load_settings())
    assert run.invoke(cli, ["models", "remove", "hives"]).exit_code == 1, "the settings choose it"
    for variable in ("VESTIBULE_SPEECH__WEIGHTS", "VESTIBULE_SPEECH__PARTIAL_WEIGHTS"):
        monkeypatch.setenv(variable, "hives")
        with pytest.raises(WeightsError) as refused:
            check_settings_alone(load_settings())
        assert refused.value.reason == "WEIGHTS_OF_ANOTHER_KIND"
        monkeypatch.delenv(variable)
    for name, reason in (("whisper-base", "WEIGHTS_OF_ANOTHER_KIND"), ("nobody", "WEIGHTS_UNAVAILABLE")):
        monkeypatch.setenv("VESTIBULE_REDACTION__NER_WEIGHTS", name)
        with pytest.raises(WeightsError) as refused:
            check_settings_alone(load_settings())
        assert refused.value.reason == reason
    monkeypatch.delenv("VESTIBULE_REDACTION__NER_WEIGHTS")
    assert run.invoke(cli, ["models", "remove", "hives"]).stdout == "Removed hives.\n"


def check_settings_alone(settings: Settings) -> None:
    """The checks that `serve` and `doctor` run."""
    for check in SETTINGS_CHECKS:
        check(settings)


def test_labels_are_for_a_token_classifier_alone(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "labels.yaml").touch()
    options = ["--path", str(tmp_path), "--labels", str(tmp_path / "labels.yaml")]
    result = CliRunner().invoke(cli, ["models", "add", "mine", *options])
    assert (result.exit_code, "token classifier" in result.stderr) == (2, True)
