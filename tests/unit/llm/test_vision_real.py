"""The vision upstream's real client against the real stand-in over loopback HTTP."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from models.errors import BreakerOpen, DeadlineExceeded, Overloaded, RedactionFailed, UpstreamFailed, VestibuleError
from models.retry_budget import RetryBudget
from models.text import RedactedText
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerBounds, BreakerState
from server.ledger.types import Artifact, UploadRow, UploadState
from server.llm.labeller import VISION_API, VisionLabeller, judge_vision_error
from server.llm.labels import RawLabel
from server.llm.shown_picture import ShownPicture, shown_picture
from server.llm.upstream import Patience, Upstream
from server.llm.vision_client import MAX_ANSWER_BYTES, VisionClient
from tests.unit.ledger.makers import NOW
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream
from tests.unit.llm.texts import redacted


def labeller_at(
    url: str, *, timeout_s: float = 5.0, transport: httpx2.AsyncBaseTransport | None = None
) -> tuple[VisionLabeller, Upstream]:
    client = VisionClient(url, KEY, "seer", transport=transport)
    breaker = AsyncBreaker(VISION_API, BreakerBounds(), judge=judge_vision_error)
    upstream = Upstream(client, breaker, RetryBudget(), Patience(timeout_s))
    return VisionLabeller(client, upstream, 8), upstream


@dataclass
class World:
    labeller: VisionLabeller
    upstream: Upstream
    picture: ShownPicture

    async def label(self, *, retry: bool = False, picture: ShownPicture | None = None) -> list[RawLabel]:
        return await self.labeller.label(picture or self.picture, language="en", retry=retry)


@pytest.fixture
def picture(tmp_path: Path) -> ShownPicture:
    """A dark grey picture, higher than wide."""
    return grey_picture(tmp_path, 30)


def grey_picture(tmp_path: Path, level: int) -> ShownPicture:
    Image.fromarray(np.full((400, 300, 3), level, np.uint8)).save(tmp_path / "a.png")
    artifact = Artifact("a.png", "image/png", 1, 0, 300, 400)
    text = redacted("4821")
    row = UploadRow("u", "s", "", UploadState.DONE, 1, "", "image/png", NOW, NOW, text=text, artifact=artifact)
    shown = shown_picture(row, tmp_path, 256)
    assert shown is not None
    return shown


@pytest.fixture
async def world(scripted: ScriptedUpstream, picture: ShownPicture) -> AsyncIterator[World]:
    scripted.script("answer")
    labeller, upstream = labeller_at(f"{scripted.url}/v1")
    yield World(labeller, upstream, picture)
    await upstream.aclose()


def requests_in(record: Path) -> list[dict[str, Any]]:
    """The bodies of the requests about pictures."""
    bodies = re.findall(rb"\r\n\r\n(\{.*?\})(?=POST |GET |\Z)", record.read_bytes(), re.DOTALL)
    return [content for body in bodies if "image_url" in str(content := json.loads(body))]


async def test_a_picture_gets_the_labels_of_the_upstream(world: World) -> None:
    assert await world.label() == [
        RawLabel("upright picture", 1.0),
        RawLabel("dark picture", 0.9),
        RawLabel("nearly grey picture", 0.8),
    ]
    assert world.upstream.breaker.failure_count == 0


async def test_what_is_sent_is_the_shown_picture_and_the_instruction(world: World, scripted: ScriptedUpstream) -> None:
    await world.label()
    sent = requests_in(scripted.record)[-1]
    assert sent["model"] == "seer"
    system, user = sent["messages"]
    assert "personal data" in system["content"]
    (part,) = user["content"]
    assert part["image_url"]["url"] == world.picture.data_url
    with Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2]))) as seen:
        assert seen.size == (192, 256)
    form = sent["response_format"]["json_schema"]
    assert form["strict"]
    assert "maxItems" not in json.dumps(form["schema"])  # strict mode takes no bounds


FAILURES: list[tuple[str, type[VestibuleError], str]] = [
    ("refuse", UpstreamFailed, "UPSTREAM_UNREACHABLE"),
    ("rate_limit", Overloaded, "UPSTREAM_RATE_LIMITED"),
    ("error", UpstreamFailed, "UPSTREAM_ERROR"),
    ("bad_request", UpstreamFailed, "UPSTREAM_REFUSED_REQUEST"),
    ("half", UpstreamFailed, "UPSTREAM_HALF_ANSWER"),
    ("garbage", UpstreamFailed, "UPSTREAM_GARBAGE"),
    ("empty", UpstreamFailed, "UPSTREAM_EMPTY"),
    ("huge", UpstreamFailed, "UPSTREAM_GARBAGE"),
    ("bad_record", UpstreamFailed, "UPSTREAM_INVALID_LABELS"),
]
OF_ONE_PICTURE = ("bad_request", "half", "empty", "bad_record")
"""What may be the fault of the picture, since the upstream did answer."""


@pytest.mark.parametrize(("mode", "kind", "reason"), FAILURES)
async def test_a_failure_has_a_reason_and_counts(
    world: World, scripted: ScriptedUpstream, mode: str, kind: type[VestibuleError], reason: str
) -> None:
    scripted.script(mode, retry_after="7")
    with pytest.raises(kind) as failed:
        await world.label()
    assert failed.value.reason == reason
    assert "vision upstream" in failed.value.message
    assert world.upstream.breaker.failure_count == (0 if mode in OF_ONE_PICTURE else 1)


@pytest.mark.parametrize("mode", [mode for mode, *_ in FAILURES])
async def test_one_picture_counts_once_at_most(world: World, scripted: ScriptedUpstream, mode: str) -> None:
    scripted.script(mode)
    for number in range(5):
        with pytest.raises(VestibuleError):
            await world.label(retry=number > 0)
    assert world.upstream.breaker.failure_count == (0 if mode in OF_ONE_PICTURE else 1)
    assert world.upstream.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(
    ("status", "counts"), [(400, 0), (404, 0), (413, 0), (422, 0), (408, 1), (429, 1), (500, 1), (503, 1)]
)
async def test_a_refusal_of_one_picture_is_no_outage(picture: ShownPicture, status: int, counts: int) -> None:
    refused = httpx2.MockTransport(lambda _request: httpx2.Response(status, json={}))
    labeller, upstream = labeller_at("http://vision.test/v1", transport=refused)
    with pytest.raises(VestibuleError):
        await labeller.label(picture, language="en", retry=False)
    assert upstream.breaker.failure_count == counts
    await upstream.aclose()


async def test_words_in_place_of_labels_are_no_outage(world: World, tmp_path: Path) -> None:
    """Also of several pictures in a row: the upstream works, and its health probes are answered."""
    text = "I can't help with that."
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    said = {"id": "x", "object": "chat.completion", "created": 0, "model": "seer", "choices": [choice]}
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, json=said))
    labeller, upstream = labeller_at("http://vision.test/v1", transport=transport)
    for level in range(10, 60, 10):
        with pytest.raises(UpstreamFailed, match="no valid labels"):
            await labeller.label(grey_picture(tmp_path, level), language="en", retry=False)
    assert upstream.breaker.failure_count == 0
    await upstream.aclose()


async def test_an_upstream_that_hangs_times_out(scripted: ScriptedUpstream, picture: ShownPicture) -> None:
    scripted.script("hang")
    labeller, upstream = labeller_at(f"{scripted.url}/v1", timeout_s=0.3)
    with pytest.raises(DeadlineExceeded) as failed:
        await labeller.label(picture, language="en", retry=False)
    assert failed.value.reason == "UPSTREAM_TIMEOUT"
    await upstream.aclose()
    scripted.script("answer")


async def test_the_breaker_refuses_and_a_probe_closes_it(
    world: World, scripted: ScriptedUpstream, tmp_path: Path
) -> None:
    scripted.script("error")
    for level in (30, 60, 90):
        with pytest.raises(UpstreamFailed):
            await world.label(picture=grey_picture(tmp_path, level))
    asked = scripted.asked()
    with pytest.raises(BreakerOpen, match=VISION_API):
        await world.label(retry=True)
    assert scripted.asked() == asked
    assert (world.upstream.breaker.state, world.labeller.willing) == (BreakerState.OPEN, False)
    scripted.script("answer")
    await world.upstream.probe()


async def test_a_pause_that_the_upstream_asks_for_is_kept(world: World, scripted: ScriptedUpstream) -> None:
    scripted.script("rate_limit", retry_after="600", times=1)
    for reason in ("UPSTREAM_RATE_LIMITED", "UPSTREAM_PAUSED"):
        with pytest.raises(Overloaded) as refused:
            await world.label()
        assert refused.value.reason == reason
        assert 500 < (refused.value.retry_after_s or 0) <= 600


async def test_a_large_answer_is_not_read_to_its_end(picture: ShownPicture) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=b" " * (MAX_ANSWER_BYTES + 1))

    labeller, upstream = labeller_at("http://vision.test/v1", transport=httpx2.MockTransport(answer))
    with pytest.raises(UpstreamFailed) as failed:
        await labeller.label(picture, language="en", retry=False)
    assert failed.value.reason == "UPSTREAM_GARBAGE"
    await upstream.aclose()


async def test_nothing_but_a_shown_picture_and_a_safe_text_is_sent(
    world: World, scripted: ScriptedUpstream, picture: ShownPicture
) -> None:
    before = scripted.asked()
    client = VisionClient(f"{scripted.url}/v1", KEY, "seer")
    unsafe = RedactedText.restore("Maria", {}, safe_for_llm=False)
    with pytest.raises(RedactionFailed):
        await client.look(picture, unsafe, schema={}, timeout_s=5.0)
    with pytest.raises(TypeError):
        await client.look(b"\xff\xd8 raw", redacted("x"), schema={}, timeout_s=5.0)  # type: ignore[arg-type]  # the test
    assert scripted.asked() == before
    await client.aclose()
