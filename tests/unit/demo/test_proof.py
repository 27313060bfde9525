"""The proof searches every place and reports each hit with its place."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from server.cli.demo import proof
from server.cli.demo.part_probe import PartProbe
from server.cli.demo.planted import Medium, Planted
from server.cli.demo.probe import Probe
from server.cli.demo.proof import Finding, Probes, Traces, copied_ledger, prove
from server.cli.output import Failure

VALUE = Planted("NAME", "Aisha Khan", "", "register.jpg")
PHONE = Planted("PHONE", "4155550132", "", "visit.wav", heard=("1555-a-132",))
PROBES = Probes(Probe([VALUE, PHONE]), PartProbe([Medium("toy", f"{VALUE.value} {PHONE.value}", (VALUE, PHONE))]))


@pytest.fixture
def traces(tmp_path: Path) -> Traces:
    """What a clean demo leaves behind."""
    state, ray_logs = tmp_path / "state" / "spool", tmp_path / "ray" / "logs"
    for folder in (state, ray_logs):
        folder.mkdir(parents=True)
    (ray_logs / "worker.log").write_text("ready")
    log, received, picture = tmp_path / "server.log", tmp_path / "received.bin", tmp_path / "register-redacted.jpg"
    log.write_text('{"event": "rpc", "code": "OK"}')
    received.write_bytes(b'POST /v1 {"content": "[REDACTED_NAME] signed in"}')
    picture.write_bytes(b"\xff\xd8 pixels")
    ledger = tmp_path / "ledger.duckdb"
    with duckdb.connect(ledger) as connection:
        connection.execute("CREATE TABLE turns (id INTEGER, text VARCHAR, properties JSON)")
        connection.execute("""INSERT INTO turns VALUES (1, '[REDACTED_NAME] signed in', '{"a": "b"}')""")
    shown = ["[REDACTED_NAME] signed in", "Thank you."]
    return Traces(shown, [log], [ray_logs], ledger, state.parent, [picture], received)


def found(findings: list[Finding]) -> dict[str, list[str]]:
    return {f.place: [where for where, _ in f.hits] for f in findings if f.hits}


def read_nothing_personal(picture: Path) -> str:
    return "VISITOR REGISTER 08:15"


def test_a_run_without_leaks_gives_no_hits(traces: Traces) -> None:
    findings = prove(traces, PROBES, read_nothing_personal)
    assert len(findings) == 9
    assert found(findings) == {}
    assert all(f.searched for f in findings)


def test_a_leak_is_reported_with_its_place(traces: Traces) -> None:
    traces.logs[0].write_text("visitor aisha khan")
    (traces.ray_logs[0] / "worker.log").write_text("Khan, AISHA KHAN")
    (traces.state / "spool" / "0001").write_bytes("Aisha Khan".encode("utf-16-le"))
    assert traces.received is not None
    traces.received.write_bytes(b'{"content": "call me"} Aisha+Khan')
    with duckdb.connect(traces.ledger) as connection:
        connection.execute('UPDATE turns SET properties = \'{"who": "Aisha Khan"}\'')
    findings = prove(traces, PROBES, lambda picture: "Aisha Khan 10:05")
    places = found(findings)
    assert places["output of server and stand-ins"] == ["server.log"] * 2  # the whole name, and its first part
    assert set(places["every column of every table"]) == {"turns.properties"}
    assert places["redacted pictures, read again"][0] == "register-redacted.jpg"
    assert {"Ray's logs", "spool and state folder", "bytes that the LLM received"} < set(places)


def test_the_write_ahead_log_is_searched_while_the_file_is_open(traces: Traces) -> None:
    with duckdb.connect(traces.ledger) as writer:
        writer.execute("SET checkpoint_threshold = '1GB'")
        writer.execute("INSERT INTO turns VALUES (2, 'Aisha Khan', NULL)")
        places = found(prove(traces, PROBES, read_nothing_personal))
    assert "ledger.duckdb.wal" in places["database file and write-ahead log"]
    assert set(places["every column of every table"]) == {"turns.text"}


@contextmanager
def checkpoint_after_first_copy(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[Path]]]:
    """A writer of the ledger that makes a checkpoint when the first file is copied, and what was copied."""
    copies: list[Path] = []
    monkeypatch.setattr(proof, "COPY_PAUSE_S", 0.0)

    def copy_then_checkpoint(source: Path, target: Path) -> None:
        shutil.copyfile(source, target)
        copies.append(source)
        if len(copies) == 1:
            writer.execute("CHECKPOINT")

    monkeypatch.setattr(shutil, "copy2", copy_then_checkpoint)
    with duckdb.connect(ledger) as writer:
        writer.execute("SET checkpoint_threshold = '1GB'")
        yield writer, copies


def test_a_ledger_is_copied_again_when_a_checkpoint_came_meanwhile(
    traces: Traces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first copy has the file of before, and no log: the checkpoint has deleted it."""
    with checkpoint_after_first_copy(traces.ledger, monkeypatch) as (writer, copies):
        writer.execute("INSERT INTO turns VALUES (2, 'Thank you.', NULL)")
        (folder := tmp_path / "copies").mkdir()
        with copied_ledger(traces.ledger, folder) as copy:
            assert copy.execute("SELECT count(*) FROM turns").fetchall() == [(2,)]
    assert copies.count(traces.ledger) == 2


def test_a_value_is_found_although_a_checkpoint_moves_it_from_the_log_to_the_file(
    traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    with checkpoint_after_first_copy(traces.ledger, monkeypatch) as (writer, _):
        writer.execute("INSERT INTO turns VALUES (2, 'Aisha Khan', NULL)")
        places = found(prove(traces, PROBES, read_nothing_personal))
    assert "ledger.duckdb" in places["database file and write-ahead log"]


def test_a_file_that_is_deleted_while_it_is_searched_is_no_failure(
    traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = traces.state / "spool" / "0001"
    monkeypatch.setattr(proof, "files_below", lambda folders: [gone, traces.ray_logs[0] / "worker.log"])
    findings = {finding.place: finding for finding in prove(traces, PROBES, read_nothing_personal)}
    assert findings["spool and state folder"].searched.startswith("1 file,")


def test_what_operators_define_is_searched_for_whole_values_only(traces: Traces) -> None:
    with duckdb.connect(traces.ledger) as connection:
        connection.execute("CREATE TABLE flows (content VARCHAR)")
        connection.execute("INSERT INTO flows VALUES ('at most 132 m3')")
    assert found(prove(traces, PROBES, read_nothing_personal)) == {}
    with duckdb.connect(traces.ledger) as connection:
        connection.execute("INSERT INTO flows VALUES ('ask Aisha Khan')")
    assert "flows.content" in found(prove(traces, PROBES, read_nothing_personal))["every column of every table"]


def test_the_operators_own_upstream_is_not_searched(traces: Traces) -> None:
    findings = prove(replace(traces, received=None), PROBES, read_nothing_personal)
    assert len(findings) == 7


def test_a_misheard_number_is_found_in_every_place(traces: Traces) -> None:
    said = "You can call me on for 1555-a-132."
    traces.logs[0].write_text(said)
    assert traces.received is not None
    traces.received.write_bytes(b'{"content": "%s"}' % said.encode())
    with duckdb.connect(traces.ledger) as connection:
        connection.execute("INSERT INTO turns VALUES (2, ?, NULL)", [said])
    places = found(prove(replace(traces, shown=[said]), PROBES, read_nothing_personal))
    assert set(places) >= {
        "texts that the app received",
        "output of server and stand-ins",
        "every column of every table",
        "bytes that the LLM received",
        "texts of the messages to the LLM",
    }


def test_three_digits_of_a_number_are_found_in_texts(traces: Traces) -> None:
    said = "It ends with 1 3 2."
    with duckdb.connect(traces.ledger) as connection:
        connection.execute("INSERT INTO turns VALUES (2, ?, NULL)", [said])
    places = found(prove(replace(traces, shown=[said]), PROBES, read_nothing_personal))
    assert places == {"texts that the app received": ["text"], "every column of every table": ["turns.text"]}


@pytest.mark.parametrize("missing", ["shown", "logs", "ray_logs"])
def test_an_empty_place_fails_the_proof(traces: Traces, missing: str) -> None:
    emptied = {"shown": replace(traces, shown=[]), "logs": replace(traces, logs=[])}.get(
        missing, replace(traces, ray_logs=[])
    )
    with pytest.raises(Failure, match="nothing to search"):
        prove(emptied, PROBES, read_nothing_personal)


def sent_to_vision(traces: Traces, *pictures: bytes) -> Traces:
    """The traces with a vision upstream that received these pictures."""
    seen = traces.logs[0].with_name("vision-received.bin")
    urls = [b'{"url": "data:image/jpeg;base64,%s"}' % base64.b64encode(picture) for picture in pictures]
    seen.write_bytes(b"POST /v1 " + b"".join(urls))
    return replace(traces, seen=seen)


def test_what_the_vision_upstream_received_is_searched(traces: Traces) -> None:
    findings = prove(sent_to_vision(traces, b"\xff\xd8 one", b"\xff\xd8 two"), PROBES, read_nothing_personal)
    assert found(findings) == {}
    searched = {finding.place: finding.searched for finding in findings}
    assert searched["pictures that it received, read again"].startswith("2 pictures")
    places = found(
        prove(
            sent_to_vision(traces, b"\xff\xd8 one", b"\xff\xd8 EXIF Aisha Khan"),
            PROBES,
            lambda picture: "Call 4155550132" if b"one" in picture.read_bytes() else "08:15",
        )
    )
    assert places["pictures that it received, read again"][:2] == ["1-shown.jpg", "1-shown.jpg"]
    assert "2-shown.jpg" in places["pictures that it received, read again"]
    assert places["bytes that the vision upstream received"] == ["vision-received.bin"]  # in Base64


def test_a_vision_upstream_without_a_picture_fails_the_proof(traces: Traces) -> None:
    with pytest.raises(Failure, match="no picture"):
        prove(sent_to_vision(traces), PROBES, read_nothing_personal)


def test_pictures_without_readable_text_fail_the_proof(traces: Traces) -> None:
    with pytest.raises(Failure, match="proves nothing"):
        prove(traces, PROBES, lambda picture: "")


def test_a_ledger_that_is_not_there_is_no_proof(traces: Traces) -> None:
    traces.ledger.unlink()
    with pytest.raises(Failure, match="nothing to search"):
        prove(traces, PROBES, read_nothing_personal)
