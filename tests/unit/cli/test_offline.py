"""The offline commands: filters of JSON lines, and something readable for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from server.cli import offline, redact_command
from server.cli.config import load_settings
from server.cli.main import cli
from tests.fakes.redactor import PhraseRedactor
from tests.unit.cli.loaded import loaded_once

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture
def redactor(monkeypatch: pytest.MonkeyPatch) -> PhraseRedactor:
    """A redactor that knows one name, in the place of the real one, and no weights fetched."""
    fake = PhraseRedactor({"maria lopez": "NAME"})
    for command in (offline, redact_command):
        monkeypatch.setattr(command, "settings_with", lambda names: load_settings())
    monkeypatch.setattr(redact_command, "local_redactor", lambda settings, threads: fake)
    return fake


@pytest.fixture(scope="module", name="loaded_once")
def _loaded_once() -> Iterator[None]:
    """Each model is loaded by the first command that needs it, and kept for the others."""
    with loaded_once():
        yield


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, list(arguments), input=stdin)


def rows(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_text_is_printed_readably(redactor: PhraseRedactor) -> None:
    result = run("redact", "I am Maria Lopez.")
    assert (result.exit_code, result.stdout) == (0, "I am [REDACTED_NAME].\n")


def test_a_text_from_standard_input_with_its_source(redactor: PhraseRedactor) -> None:
    result = run("redact", "-", "--source", "speech", "--lang", "es", stdin="soy Maria Lopez")
    assert result.stdout == "soy [REDACTED_NAME]\n"
    assert (redactor.contexts[0].source, redactor.contexts[0].language) == ("speech", "es")


def test_json_for_a_script(redactor: PhraseRedactor) -> None:
    (row,) = rows(run("redact", "I am Maria Lopez.", "--json"))
    assert row["text"] == "I am [REDACTED_NAME]."
    assert row["entities"] == [{"type": "NAME", "start": 5, "end": 16, "score": 1.0}]


def test_json_lines_stay_in_order_and_a_bad_line_gets_an_error_answer(redactor: PhraseRedactor) -> None:
    lines = ['{"id": 1, "text": "Maria Lopez", "source": "typed"}', "nonsense", '{"id": 3, "text": "nobody é"}']
    result = run("redact", "--jsonl", stdin="\n".join(lines) + "\n")
    first, second, third = rows(result)
    assert (first["id"], first["text"]) == (1, "[REDACTED_NAME]")
    assert second["error"] == {
        "reason": "BAD_JSON",
        "message": "The line is not a JSON object.",
        "hint": "Correct the request and send it again.",
    }
    assert (third["id"], third["text"]) == (3, "nobody é")


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        (['{"text": "a"}', "{", '{"text": 1}', '{"text": "b"}'], 1, "Error: 2 of 4 lines failed"),
        (["{"], 1, "Error: 1 of 1 line failed"),
        (['{"text": "a", "lang": "qq"}', "", '{"text": "b"}'], 1, "Error: 1 of 2 lines failed"),
        (['{"text": "a"}', ""], 0, ""),
        ([], 0, ""),
    ],
)
def test_json_lines_that_failed_are_counted_and_the_run_fails(
    redactor: PhraseRedactor, lines: list[str], code: int, told: str
) -> None:
    result = run("redact", "--jsonl", stdin="\n".join(lines))
    assert len(rows(result)) == len([line for line in lines if line])
    assert result.exit_code == code
    assert told in result.stderr
    assert bool(result.stderr) == bool(told)


@pytest.mark.parametrize("lang", ["english please", "e", "n\u00e9", "xx", "qq-DE", "eng", "german"])
def test_an_unknown_language_is_refused_with_those_that_are_known(redactor: PhraseRedactor, lang: str) -> None:
    result = run("redact", "I am Maria Lopez.", "--lang", lang)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'--lang'" in result.stderr
    told = " ".join(result.stderr.split())
    assert all(f" {code}," in told for code in ("de", "en", "hi", "it", "pt"))
    assert "en for a text in another language" in told


@pytest.mark.parametrize("lang", ["pt-BR", "EN", "en_GB", "vi"])
def test_a_language_may_have_a_region_and_capitals(redactor: PhraseRedactor, lang: str) -> None:
    assert run("redact", "I am Maria Lopez.", "--lang", lang).exit_code == 0


def test_a_line_in_an_unknown_language_gets_an_error_answer(redactor: PhraseRedactor) -> None:
    (row,) = rows(run("redact", "--jsonl", stdin='{"id": 1, "text": "Maria Lopez", "lang": "xx"}\n'))
    assert row["error"]["reason"] == "INVALID_INPUT"
    assert " de, " in row["error"]["message"]


def test_input_that_is_not_text_ends_the_run_with_its_reason(redactor: PhraseRedactor) -> None:
    result = CliRunner().invoke(cli, ["redact", "--jsonl"], input=b"\xff\n")
    assert result.exit_code == 1
    assert "[BAD_INPUT_STREAM]" in result.stderr


def test_bytes_that_are_not_utf8_are_invalid_input(redactor: PhraseRedactor) -> None:
    result = CliRunner().invoke(cli, ["redact", "-"], input=b"caf\xe9 Maria Lopez")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "must be UTF-8 text. [BAD_INPUT_STREAM]\nHint: Convert" in result.stderr
    argument = run("redact", "caf\udce9 Maria Lopez")
    assert argument.exit_code == 1
    assert "TEXT must be UTF-8. [INVALID_INPUT]\nHint: Convert" in argument.stderr


def test_half_of_a_surrogate_pair_gets_an_error_answer(redactor: PhraseRedactor) -> None:
    lines = [r'{"id": 1, "text": "\ud800 Maria Lopez"}', r'{"id": "\ud800", "text": "Maria Lopez"}']
    first, second = rows(run("redact", "--jsonl", stdin="\n".join(lines) + "\n"))
    assert first["error"]["reason"] == "INVALID_INPUT"
    assert (second["id"], second["text"]) == ("\ud800", "[REDACTED_NAME]")


@pytest.mark.parametrize("threads", ["0", "257", "99999999999"])
@pytest.mark.parametrize("command", [["redact", "hi"], ["transcribe", "a.wav"]])
def test_too_many_threads_are_refused(command: list[str], threads: str) -> None:
    result = run(*command, "--threads", threads)
    assert result.exit_code == 2
    assert "1<=x<=256" in result.stderr


def test_a_client_without_a_policy_gets_a_note(
    redactor: PhraseRedactor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run("redact", "hi", "--client", "nobody")
    assert (told.exit_code, told.stdout) == (0, "hi\n")
    assert told.stderr == "Note: VESTIBULE_REDACTION__POLICY_FILE names no file; the default policy applies.\n"
    file = tmp_path / "policy.yaml"
    file.write_text("clients: {acme: {allow: [Riverside]}}")
    monkeypatch.setenv("VESTIBULE_REDACTION__POLICY_FILE", str(file))
    assert f"{file} has no client 'nobody'" in run("redact", "hi", "--client", "nobody").stderr
    assert run("redact", "hi", "--client", "acme").stderr == ""


def test_an_empty_policy_file_means_the_strict_one(redactor: PhraseRedactor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_REDACTION__POLICY_FILE", "")
    monkeypatch.setenv("VESTIBULE_RAY__NUM_CPUS", "")
    settings = load_settings()
    assert (settings.redaction.policy_file, settings.ray.num_cpus) == (None, None)


@pytest.mark.parametrize("command", ["transcribe", "read"])
def test_files_or_json_lines_not_both_and_not_neither(command: str) -> None:
    assert run(command).exit_code == 2
    both = run(command, "a.file", "--jsonl")
    assert both.exit_code == 2
    assert "With --jsonl one JSON object a line comes from standard input; leave FILES out." in both.stderr


def test_a_text_or_json_lines_not_both_and_not_neither(redactor: PhraseRedactor) -> None:
    both = run("redact", "--jsonl", "some text", stdin='{"text": "Maria Lopez"}')
    assert (both.exit_code, both.stdout) == (2, "")
    assert "With --jsonl one JSON object a line comes from standard input; leave TEXT out." in both.stderr
    assert "Give TEXT, - for standard input, or --jsonl" in run("redact").stderr


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_a_refused_file_names_the_formats_of_the_command(redactor: PhraseRedactor) -> None:
    picture, clip, text = (str(DATA / name) for name in ("meter.jpg", "visit.flac", "README.md"))
    told = "[UNSUPPORTED_MEDIA]\nHint: Send {}.\n"
    assert told.format("webm, ogg, wav, mp3, aac, m4a or flac") in run("transcribe", text).stderr
    refused = run("transcribe", picture).stderr
    assert "This is a JPEG file, no recording. [UNSUPPORTED_MEDIA]\nHint: vestibule read reads the print" in refused
    pictures = "JPEG, PNG, WebP, HEIC, a one-page TIFF or a PDF of a few pages"
    assert told.format(pictures) in run("read", text).stderr
    assert "[UNSUPPORTED_MEDIA]\nHint: vestibule transcribe" in run("read", clip).stderr


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_an_unknown_language_gives_a_hint_to_the_list_of_languages(redactor: PhraseRedactor) -> None:
    refused = run("transcribe", "--lang", "xx", str(DATA / "visit.flac"))
    assert refused.exit_code == 1
    assert "[UNKNOWN_LANGUAGE]\nHint: Give an ISO 639-1 code" in refused.stderr
    assert "`vestibule transcribe --languages`" in refused.stderr
    listed = run("transcribe", "--languages").stdout.split()
    assert {"en", "es", "hi"} <= set(listed)
    assert "xx" not in listed
    assert json.loads(run("transcribe", "--languages", "--json").stdout) == listed


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_a_missing_file_is_reported_on_stderr_and_exits_with_1(redactor: PhraseRedactor) -> None:
    result = run("read", str(DATA / "nothing.jpg"), str(DATA / "meter.jpg"))
    assert result.exit_code == 1
    assert "nothing.jpg: There is no such file. [NO_SUCH_FILE]" in result.stderr
    assert f"==> {DATA / 'meter.jpg'} <==" in result.stdout
    assert "WATER METER" in result.stdout


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_read_prints_redacted_text_by_default() -> None:
    request = json.dumps({"id": "m", "image": str(DATA / "meter.jpg")}) + "\n"
    (redacted,) = rows(run("read", "--jsonl", stdin=request))
    (unredacted,) = rows(run("read", "--jsonl", "--unredacted", stdin=request))
    assert {"id", "lines", "compute_s"} <= set(redacted)
    assert {"text", "box", "score"} <= set(redacted["lines"][0])
    assert "Marsh" in json.dumps(unredacted)
    assert "Marsh" not in json.dumps(redacted)
    assert "7316 2048" not in json.dumps(redacted), "the number of the meter, as nothing says that it is one"
    assert "[REDACTED_" in json.dumps(redacted)


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_a_meter_keeps_its_reading_and_its_number() -> None:
    (meter,) = rows(run("read", "--json", "--kind", "meter", str(DATA / "meter.jpg")))
    assert "No. 7316 2048" in json.dumps(meter)
    assert "04821" in json.dumps(meter)
    assert "Marsh" not in json.dumps(meter)


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_transcribe_prints_redacted_text_by_default() -> None:
    request = json.dumps({"id": "v", "audio": str(DATA / "visit.flac"), "lang": "en"}) + "\n"
    (redacted,) = rows(run("transcribe", "--jsonl", stdin=request))
    (unredacted,) = rows(run("transcribe", "--jsonl", "--unredacted", stdin=request))
    assert {"id", "text", "segments", "audio_s", "compute_s"} <= set(redacted)
    assert "Carter" in unredacted["text"]
    assert "Carter" not in json.dumps(redacted)
    assert "hello" in redacted["text"].lower()


@pytest.mark.models
@pytest.mark.usefixtures("loaded_once")
def test_a_text_is_redacted_by_the_real_redactor() -> None:
    result = run("redact", "I am Maria Lopez, call me on 415-555-0132")
    assert (result.exit_code, result.stdout) == (0, "I am [REDACTED_NAME], call me on [REDACTED_PHONE]\n")


@pytest.fixture
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for weights, which comes before loading models, fails."""

    def load(names: object) -> NoReturn:
        pytest.fail("models are loaded")

    monkeypatch.setattr(offline, "settings_with", load)


@pytest.mark.usefixtures("no_models")
@pytest.mark.parametrize("command", ["transcribe", "read"])
def test_a_file_that_cannot_be_read_is_told_before_models_are_loaded(command: str, tmp_path: Path) -> None:
    missing = tmp_path / "none.jpg"
    refused = run(command, str(missing), str(tmp_path))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"Error: {missing}: There is no such file. [NO_SUCH_FILE]\nHint: Check the path." in refused.stderr
    assert f"Error: {tmp_path}: This is a folder. [FILE_UNREADABLE]" in refused.stderr


@pytest.mark.parametrize("command", ["transcribe", "read"])
def test_a_missing_file_does_not_keep_the_others_from_being_read(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there.jpg"
    there.touch()
    asked: list[dict[str, Any]] = []

    def note(_answer: object, given: list[dict[str, Any]], *, failed: bool, **_options: object) -> None:
        asked.extend(given)
        assert failed

    monkeypatch.setattr(offline, "settings_with", lambda names: load_settings())
    monkeypatch.setattr(offline, "run", note)
    monkeypatch.setattr("models.speech.engines.build_engine", lambda *_: None)
    monkeypatch.setattr("models.vision.ocr.RapidOcrEngine", lambda *_: None)
    done = run(command, "--unredacted", str(tmp_path / "none.jpg"), str(there))
    assert done.exit_code == 0, done.stderr
    assert "[NO_SUCH_FILE]" in done.stderr
    assert [request["id"] for request in asked] == [str(there)]
