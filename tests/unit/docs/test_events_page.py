"""The example of docs/operating/events.md: its file is declared, its code sends, and its query reads numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner

from server.cli.main import cli
from server.flows.app_events import PropertyKind
from server.ledger.columns import Cursor, fetch_all
from tests.unit.cli.events_server import SESSION, events_server
from tests.unit.docs.pages import page
from tests.unit.ledger.stored import read_now

PAGE = page("docs/operating/events.md")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    [events] = blocks("yaml")
    (tmp_path / "events.yaml").write_text(events, encoding="utf-8")
    queries = blocks("sql")[0].split(";\n")
    definitions, sending = blocks("python")
    with events_server(tmp_path) as served:
        monkeypatch.setenv("VESTIBULE_ADDRESS", served.address)
        declared = CliRunner().invoke(cli, ["events", "declare", str(tmp_path / "events.yaml"), "--client", "shop"])
        assert declared.exit_code == 0, declared.stderr
        with grpc.insecure_channel(served.address) as channel:
            given: dict[str, Any] = {"channel": channel, "key": "a key", "session_id": SESSION.id}
            exec(definitions + sending, given)
            assert capsys.readouterr().out == "", "there are no problems"
            send, event = given["send"], given["event"]
            wrong = [event(SESSION.id, 3, "Screen-Opened") for _ in range(45)]
            long = event(SESSION.id, 4, "form_sent", note="x" * 501)
            send(channel, "a key", [*wrong, event(SESSION.id, 5, "form_opened"), long])

        def read(cursor: Cursor) -> tuple[Any, Any]:
            sent = "SELECT properties FROM events WHERE device_time IS NOT NULL ORDER BY sequence"
            return fetch_all(cursor, sent), [cursor.execute(query).fetchall() for query in queries if query]

        stored, answers = read_now(served.ledger, read)
    assert [json.loads(row["properties"]) for row in stored] == [
        {},
        {"amount": 20000, "channel": "web", "returning": False, "order": "A-1042", "note": "no hurry"},
        {},
    ]
    assert answers == [[(20000.0,)], [(1,)]]
    dropped = capsys.readouterr().out.splitlines()
    assert [line.count("-") // 4 for line in dropped] == [20, 20, 6], "the server names 20 at a time"


def test_the_page_names_every_kind() -> None:
    table = PAGE.partition("| kind |")[2].partition("\n\n")[0]
    for kind in PropertyKind:
        assert kind in table
