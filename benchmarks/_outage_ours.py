"""The server's own assistant, breakers and health probes, for benchmarks/outage.py: built as the server builds them."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from pathlib import Path

from models.text import RedactedText
from ray_tasks.supervised_gateway import SupervisedGateway
from ray_tasks.supervisor import ClusterSupervisor
from server.breakers import prober
from server.cluster_config import cluster_config
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import Origin, utc_now
from server.llm.assistant import OpenAiAssistant
from server.observability.metrics import Metrics
from server.setting_groups import LlmSettings, UpstreamSettings
from server.settings import Settings
from server.wiring.upstreams import build_upstreams

SAID = RedactedText.literal("I am at the Riverside site")
LOCAL = "local"


class Assistant:
    """Asks for turns as a person who waits does."""

    def __init__(self, assistant: OpenAiAssistant) -> None:
        self._assistant = assistant

    async def ask(self) -> str:
        """Have a reply streamed; it is the name of the upstream, or LOCAL when the local fallback answers."""
        reply = await self._assistant.reply(SAID, [], language="en", fallback=True)
        text = "".join([piece async for piece in reply.pieces])
        return LOCAL if reply.origin is Origin.FALLBACK else text


async def build_assistant(urls: list[str], scale: float, folder: Path, stack: AsyncExitStack) -> Assistant:
    """Build it with the default settings, all times divided by ``scale``, and run its health probes."""
    first, *others = urls
    settings = Settings(
        data_dir=folder / "data",
        state_dir=folder / "state",
        llm=LlmSettings(
            **_scaled(first, scale).model_dump(),
            turn_s=LlmSettings().turn_s / scale,
            upstreams={place: _scaled(url, scale) for place, url in enumerate(others, 2)},
        ),
    )
    settings.ledger_path.parent.mkdir(parents=True)
    ledger = EmbeddedLedger.open(settings.ledger_path)
    stack.callback(ledger.close)
    workers = SupervisedGateway(ClusterSupervisor(cluster_config(settings)))  # never started: nobody calls a worker
    upstreams = await build_upstreams(settings, ledger, Metrics(), workers, stack, utc_now)
    prober.TICK_S = 2.0 / scale
    probing = asyncio.create_task(upstreams.prober.run())
    stack.push_async_callback(_end, probing)
    return Assistant(upstreams.assistant)


def _scaled(url: str, scale: float) -> UpstreamSettings:
    default = UpstreamSettings()
    times = ("timeout_s", "interactive_timeout_s", "reset_s", "slow_s", "probe_s")
    return default.model_copy(update={"base_url": url, **{name: getattr(default, name) / scale for name in times}})


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
