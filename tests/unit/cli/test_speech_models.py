"""`vestibule models use | shadow | compare | discard`, against a real admin service on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc.aio
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import admin_pb2_grpc

from models.errors import Unavailable
from models.reasons import Reason
from ray_tasks.types import SpeechModels
from server.access.audit import AuditTrail
from server.cli import speech_models
from server.cli.main import cli
from server.ledger import model_comparisons, sessions, turns
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import HookInterceptor
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.validate import Validate
from server.services.admin import AdminService
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.shadow import FinalsShadow, ShadowOutcome
from server.wiring.speech_models import require_weights
from tests.fakes.gateway import FakeGateway, redacted
from tests.unit.ledger.makers import NOW, comparison, new_id, session, turn
from tests.unit.ledger.migrated import open_ledger


class Server:
    """An admin service in a thread of its own, because the commands block."""

    def __init__(self, folder: Path) -> None:
        self.ledger = open_ledger(folder / "ledger.duckdb", lambda: NOW)
        self.gateway = FakeGateway()
        self.address = ""
        self.shadow: FinalsShadow
        self._folder = folder
        self._ready = Event()
        self._thread = Thread(target=asyncio.run, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(60)

    async def _serve(self) -> None:
        nothing: Any = None
        trail = AuditTrail(bytes(32), bytes(32), lambda: NOW)

        def require(name: str) -> None:
            if not name.startswith("whisper-"):
                require_weights(name, self._folder)

        choice = SpeechModelChoice(self.ledger, self.gateway, trail, lambda: NOW, "whisper-base", require)
        self.shadow = FinalsShadow(
            self.ledger, self.gateway, choice, Metrics(), lambda: NOW, chance=lambda: 0.0, busy=lambda: False
        )
        service = AdminService(
            nothing, self.ledger, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, self.shadow
        )
        server = grpc.aio.server(interceptors=[HookInterceptor(hook) for hook in (MapErrors(), Validate())])
        admin_pb2_grpc.add_AdminServiceServicer_to_server(service, server)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._ended.wait()
        await server.stop(0)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(60)
        self.ledger.close()

    def compare(self, *texts: tuple[str, str], **changes: Any) -> None:
        """Store comparisons of the texts of turns with what a candidate heard."""
        opened = session()
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, opened))
        for number, (said, heard) in enumerate(texts):
            row = turn(opened.id, number, new_id())
            compared = comparison(row, number, redacted(heard), weights="whisper-base", **changes)

            def write(cursor: Any, row: Any = row, said: str = said, compared: Any = compared) -> None:
                turns.insert_turn(cursor, row)
                cursor.execute("UPDATE turns SET text = ? WHERE id = ?", [said, row.id])
                model_comparisons.insert_comparison(cursor, compared)

            self.ledger.write_now(write)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    running = Server(tmp_path)
    monkeypatch.setenv("VESTIBULE_ADDRESS", running.address)
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path / "state"))
    yield running
    running.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments])


def test_weights_are_used_and_given_back(server: Server) -> None:
    used = run("use", "speech", "whisper-small")
    assert (used.exit_code, used.stdout) == (0, "Speech is recognised by whisper-small, chosen.\n")
    assert server.gateway.models == SpeechModels("whisper-small")
    back = run("use", "speech", "--from-settings")
    assert back.stdout == "Speech is recognised by whisper-base, as the settings say.\n"
    assert server.gateway.models == SpeechModels()


@pytest.mark.parametrize(
    "arguments",
    [
        ("use", "speech"),
        ("use", "speech", "whisper-small", "--from-settings"),
        ("use", "vision", "whisper-small"),
        ("shadow", "speech", "whisper-small"),
        ("shadow", "speech", "whisper-small", "--share", "0"),
        ("shadow", "speech", "whisper-small", "--share", "1.1"),
    ],
)
def test_wrong_usage_asks_no_server(server: Server, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    assert server.gateway.calls == []


@pytest.mark.parametrize("kind", ["vision", "redaction", "Speech", "whisper-small"])
@pytest.mark.parametrize("command", [("use",), ("shadow", "--share", "1")])
def test_a_kind_that_cannot_be_changed_is_named_with_the_one_that_can(command: tuple[str, ...], kind: str) -> None:
    refused = run(*command, kind, "x")
    told = f"'{kind}' cannot be changed while the server runs: only the weights for speech can."
    assert (refused.exit_code, told in refused.stderr) == (2, True), refused.stderr


class AtOnce:
    """A timer for which the time has come when it starts."""

    daemon = False

    def __init__(self, _after_s: float, call: Callable[..., None], args: Any, kwargs: Any) -> None:
        self._call = partial(call, *args, **kwargs)

    def start(self) -> None:
        self._call()

    def cancel(self) -> None:
        """It is over."""


def test_a_change_that_takes_long_says_what_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_models, "Timer", AtOnce)
    told = "Workers with {} start. Streams go on with those in use meanwhile.\n"
    assert run("use", "speech", "whisper-small").stderr == told.format("whisper-small")
    assert run("use", "speech", "--from-settings").stderr == told.format("the weights of the settings")
    shadowed = run("shadow", "speech", "whisper-small", "--share", "0.2")
    assert shadowed.stderr == "Workers with whisper-small start beside those in use.\n"


@pytest.mark.parametrize("name", ["rampart-pii", "nobody", "silero-vad"])
def test_weights_that_are_refused_are_not_told_to_start(
    server: Server, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_models, "TELL_AFTER_S", 60.0)
    for command in (("use",), ("shadow", "--share", "1")):
        refused = run(*command, "speech", name)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("Error: The server has no weights for speech of this name."), refused.stderr


def test_discard_without_a_candidate_says_that_there_is_none(server: Server) -> None:
    ended = run("discard")
    assert (ended.exit_code, ended.stdout) == (
        0,
        "There is no candidate.\nSpeech is recognised by whisper-base, as the settings say.\n",
    )


def test_what_fails_says_why_and_changes_nothing(server: Server) -> None:
    unknown = run("use", "speech", "maria.lopez")
    assert unknown.exit_code == 1
    assert "The server has no weights for speech of this name. [WEIGHTS_UNAVAILABLE]" in unknown.stderr
    assert "Name one of whisper-base, whisper-large-v3, " in unknown.stderr
    server.gateway.will("use_speech_models", Unavailable("They are not up.", reason=Reason.WORKERS_NOT_READY))
    failed = run("use", "speech", "whisper-small")
    assert (failed.exit_code, "They are not up. [WORKERS_NOT_READY]" in failed.stderr) == (1, True)
    same = run("shadow", "speech", "whisper-base", "--share", "1")
    assert (same.exit_code, "weights: Name other weights than those in use." in same.stderr) == (1, True)
    assert json.loads(run("compare", "--json").stdout)["speech_models"]["weights"] == "whisper-base"


def test_a_candidate_is_compared_promoted_or_discarded(server: Server) -> None:
    shadowed = run("shadow", "speech", "small", "--share", "0.2")
    assert shadowed.exit_code == 1, "there are no such weights"
    server.compare(("I am [REDACTED_NAME_2].", "I am [REDACTED_NAME]."), candidate="whisper-small")
    server.compare(
        ("Four two.", "For two."),
        ("Call me.", "Hold me."),
        candidate="whisper-small",
        word_differences=1,
        language="de",
    )
    shadowed = run("shadow", "speech", "whisper-small", "--share", "0.2")
    assert shadowed.stdout.splitlines()[1] == "The candidate whisper-small gets 20 % of the finals as well."
    server.shadow.counts[ShadowOutcome.SKIPPED_BUSY] = 3
    server.shadow.counts[ShadowOutcome.FAILED] = 1
    shown = run("compare")
    assert shown.exit_code == 0, shown.output
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.stdout.splitlines() if "|" in line]
    assert ["all", "3", "1", "66.7 % (0.1 % to 100.0 %)", "33.3 %", "0"] in rows
    assert ["de", "2", "0", "100.0 % (20.7 % to 100.0 %)", "50.0 %", "0"] in rows
    assert ["en", "whisper-small", "600 ms", "600 ms", "0.267", "0.267"] in rows
    assert ["Call me.", "Hold me."] in rows
    assert not any("REDACTED" in cell for row in rows for cell in row), "equal ones are no examples"
    assert "left out 3 finals" in shown.stdout
    assert "1 call to a candidate failed" in shown.stdout
    assert shown.stdout.endswith(
        "Promote it: `vestibule models use speech whisper-small`. End it: `vestibule models discard`.\n"
    )
    told = json.loads(run("compare", "--examples", "1", "--json").stdout)
    assert [len(told["examples"]), told["comparisons"][0]["final_count"], told["skipped_count"]] == [1, 3, 3]
    assert told["speech_models"]["share"] == 0.2
    ended = run("discard")
    of_settings = "Speech is recognised by whisper-base, as the settings say.\n"
    assert ended.stdout == f"The candidate whisper-small ended.\n{of_settings}"
    assert server.gateway.models == SpeechModels()
    after = run("compare").stdout
    assert after.startswith(f"{of_settings}There is no candidate.\n"), "the figures are those of one that is over"
    assert "the last comparison, which is over.\nwhisper-small, which was the candidate, beside whisper-base" in after
    assert "Promote" not in after
    assert "The candidate" not in after
    for promoted in ("whisper-small", "whisper-tiny.en"):
        run("use", "speech", promoted)
        others = run("compare").stdout
        assert "There is no candidate.\nThere is no comparison to show: none was made yet, or other weights" in others
        assert "|" not in others
        assert json.loads(run("compare", "--json").stdout)["comparisons"] == []
    run("shadow", "speech", "whisper-small", "--share", "1")
    assert "No final was compared yet." in run("compare").stdout


def test_examples_show_tags_without_numbers(server: Server) -> None:
    server.compare(("I am [REDACTED_NAME_2].", "I am."), candidate="whisper-tiny.en", word_differences=1)
    assert "| I am [REDACTED_NAME]. | I am." in run("compare").stdout


def test_nothing_was_compared_yet(server: Server) -> None:
    assert run("compare").stdout == (
        "Speech is recognised by whisper-base, as the settings say.\nThere is no candidate.\n"
        "There is no comparison to show: none was made yet, or other weights were in use then.\n"
    )
