"""Nothing that identifies a person leaves. A thousand values enter through every input, and every byte that the
system wrote or sent is searched for them. Others are corrected, said in two utterances or misheard, and streamed."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from server.cli.channel import open_aio_channel
from server.cli.demo.part_probe import sentences_of_requests
from server.cli.demo.picture_text import read_print
from server.cli.demo.planted import Planted
from server.cli.demo.probe import Hit
from server.cli.demo.processes import Child, free_ports, wait_until
from server.cli.demo.proof import Probes, Traces, files_below, prove
from server.cli.demo.run_proof import ray_log_folders
from server.observability.metrics_endpoint import TOKEN_FILE
from tests.e2e.broken_streams import (
    MOST_LEAKS,
    MOST_LEAKS_TYPED,
    Streamed,
    check_broken,
    parts_of,
    raw_pieces,
    scripted,
    stream_values,
    streamed_values,
    type_values,
    typed_values,
)
from tests.e2e.broken_values import SPLIT, Broken
from tests.e2e.harness import READY_TIMEOUT_S, App, Server, start_server, stop_server
from tests.e2e.input_channels import BADGE, Seen, ask_around, compare_events, recordings, seeded_plan, send_all
from tests.e2e.planted_values import ManyProbe, by_kind, lines_of, needle, people

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


MANY = ("limits.client_uploads=1000", f"limits.client_upload_bytes={10**9}")
"""More uploads than a person sends."""

BUSY = "limits.speech_load=1000"
"""No stream is refused, however slow the machine is."""


@dataclass(slots=True)
class Running:
    """The server under test and the stand-in LLM that keeps every byte."""

    server: Server
    upstream: Child
    upstream_url: str
    received: Path
    metrics_port: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("leaks")
    received = home / "received.bin"
    arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(received)]
    upstream = Child.start("stand-in LLM", arguments, home / "upstream.log")
    server: Server | None = None
    try:
        wait_until(lambda: "http://" in _text(upstream.log), upstream, READY_TIMEOUT_S, "The upstream did not start")
        url = re.findall(r"http://[\w.:]+", _text(upstream.log))[0]
        [metrics_port] = free_ports(1)
        with pytest.MonkeyPatch.context() as environment:
            for name, value in scripted(home / "script.json", streamed_values()).items():
                environment.setenv(name, value)
            # A thousand values come faster than a person speaks, types and photographs.
            quick = ("limits.typed_per_minute=10000", "limits.client_typed_per_minute=10000", *MANY)
            settings = (f"llm_base_url={url}/v1", f"metrics_port={metrics_port}", "log_level=debug", BUSY, *quick)
            server = start_server(home / "own", *settings, dashboard=True)
        yield Running(server, upstream, url, received, metrics_port)
    finally:
        if server is not None:
            stop_server(server)
        upstream.stop()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@pytest_asyncio.fixture
async def app(running: Running) -> AsyncIterator[App]:
    async with open_aio_channel(running.server.address, credential=running.server.operator_key) as channel:
        yield App(channel)


def test_the_search_finds_every_form_of_a_value() -> None:
    values = [line.values[0] for person in people(3) for line in lines_of(person, random.Random(1), "canary")]
    probe = ManyProbe(values)
    assert len({needle(v) for v in values}) == len(values)
    for value in values:
        text = value.value
        for form in (
            text.encode(),
            text.upper().encode(),
            json.dumps({"text": f"\n{text}\t"}).encode(),
            text.encode("utf-16-le"),
            text.encode("utf-16-be"),
            text.replace(" ", "").encode(),
            base64.b64encode(b"xy" + text.encode() + b"z"),
        ):
            assert [hit.planted for hit in probe.search(b"\x00noise " + form + b" noise")] == [value], form
    assert probe.search(b"nothing of that kind 2026-11-24T09:41:00 4155550132 [REDACTED_NAME]") == []
    number = ManyProbe([Planted("SSN", "112-40-9410", "", "typed")])
    assert number.search(b"112409410")
    assert number.search(b"2026-11-24 09:41:00.123456") == [], "it is a time"


@pytest.mark.parametrize(
    ("first", "safe", "reaches"),
    [
        ("it is 415", (True, True), True),
        ("it is 415", (True, False), True),
        ("it is 415", (False, True), True),
        ("it is 415", (False, False), False),
        ("it is [REDACTED_PHONE]", (True, False), False),
    ],
)
def test_what_reaches_the_llm_is_judged_by_the_finals_that_it_gets(
    first: str, safe: tuple[bool, bool], reaches: bool
) -> None:
    digits = ((6, 7), (7, 8), (8, 9))
    said = Broken(SPLIT, "PHONE", "4155550132", ("it is 415", "and 555 0132"), (digits, ((4, 12),)))
    streamed = Streamed(said, [first, "and 555 0132"], list(safe))
    assert (streamed.leaks, streamed.leaks_to_llm) == (True, reaches)


async def test_a_thousand_values_go_in_and_none_comes_out(running: Running, app: App, tmp_path: Path) -> None:
    plan = seeded_plan()
    values = plan.values
    assert len(values) >= 1000
    written = [v for v in values if not v.spoken]
    assert len({needle(v) for v in written}) == len(written)
    seen = Seen()
    await asyncio.to_thread(_script, running.upstream_url, "error", 2)  # so that failed calls are logged too
    await send_all(app, plan, seen)
    streamed = await stream_values(app, streamed_values(), seen)
    typed = await type_values(app, typed_values(), seen)
    await ask_around(app, plan.typed, seen)
    compare_events(running.server.ledger, plan.events, seen)
    compared = [replacement for verdict in seen.verdicts for replacement in verdict.replacements]
    spoken = sum(len(medium.values) for medium in recordings())
    assert len(compared) == len(plan.typed) + len(plan.drawn) + len(plan.events) + len(BADGE) + spoken
    problems = [problem for verdict in seen.verdicts for problem in verdict.problems]
    assert not problems, f"{len(problems)} of {len(compared)} values\n" + "\n".join(problems)
    assert seen.replies >= len(plan.turns)
    metrics = await asyncio.to_thread(_scrape, running)
    assert b"vestibule_redacted_entities" in metrics
    assert running.received.read_bytes().count(b"[REDACTED_") > len(plan.typed), "the upstream was asked"

    check_broken(streamed, MOST_LEAKS)
    check_broken(typed, MOST_LEAKS_TYPED)
    probe = ManyProbe([*values, *raw_pieces([*streamed, *typed])])
    hits = [("replies to the client", hit) for hit in probe.search(bytes(seen.data))]
    hits += [("metrics", hit) for hit in probe.search(metrics)]
    hits += _search_as_the_demo_does(running, seen, [*streamed, *typed], probe, tmp_path)
    hits += _search_requests(running.received, seen, streamed)
    ray_logs = ray_log_folders([running.server.child])
    stop_server(running.server)
    left = files_below([running.server.home, *ray_logs])
    assert any(p.name == "ledger.duckdb" for p in left)
    for path in left:
        hits += [(f"file {path.name}", hit) for hit in probe.search(path.read_bytes())]
    assert not hits, f"{len({hit.planted.value for _, hit in hits})} of {len(values)} values leaked\n{by_kind(hits)}"


def _script(url: str, mode: str, times: int) -> None:
    body = json.dumps({"mode": mode, "times": times}).encode()
    request = urllib.request.Request(f"{url}/script", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.status == 200


def _scrape(running: Running) -> bytes:
    token = (running.server.state_dir / TOKEN_FILE).read_text(encoding="utf-8").strip()
    url, headers = f"http://127.0.0.1:{running.metrics_port}/metrics", {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as reply:
        return bytes(reply.read())


def _search_as_the_demo_does(
    running: Running, seen: Seen, broken: Sequence[Streamed], probe: ManyProbe, scratch: Path
) -> list[tuple[str, Hit]]:
    """Search the places of the demo's proof while the server runs; OCR reads the pictures again."""
    paths = []
    for number, content in enumerate(seen.pictures):
        paths.append(scratch / f"{number}.jpg")
        paths[-1].write_bytes(content)
    shown = [*seen.texts, *(text for one in broken for text in one.finals)]
    traces = Traces(
        shown=shown,
        logs=[running.server.child.log, running.upstream.log],
        ray_logs=ray_log_folders([running.server.child]),
        ledger=running.server.ledger,
        state=running.server.state_dir,
        pictures=paths,
        received=running.received,
    )
    assert traces.ray_logs
    findings = prove(traces, Probes(probe, parts_of(broken, shown)), read_print)
    return [(f"{finding.place}: {where}", hit) for finding in findings for where, hit in finding.hits]


def _search_requests(received: Path, seen: Seen, streamed: Sequence[Streamed]) -> list[tuple[str, Hit]]:
    """Search what the LLM received for parts of the streamed values that only texts kept from it show."""
    safe = [text for one in streamed for text, is_safe in zip(one.finals, one.safe, strict=True) if is_safe]
    probe = parts_of(streamed, [*seen.texts, *safe])
    return [("messages to the LLM", hit) for hit in probe.search(sentences_of_requests(received.read_bytes()))]
