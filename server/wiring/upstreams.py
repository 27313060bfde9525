"""Builds what other programs and workers are called through: breakers, retry budgets, health probes, the assistant."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from models.retry_budget import RetryBudget
from ray_tasks.types import Gateway
from server.breakers.client_pauses import ClientPauses
from server.breakers.guarded_gateway import (
    SPEECH_WORKER,
    VISION_WORKER,
    GuardedGateway,
    WorkerProbes,
    judge_worker_error,
)
from server.breakers.prober import HealthProbe, HealthProber
from server.breakers.registry import Breakers
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.llm.assistant import OpenAiAssistant
from server.llm.field_names import FieldNames
from server.llm.labeller import VISION_API, VisionLabeller, judge_vision_error
from server.llm.labels import NO_LABELLER, Labeller
from server.llm.openai_client import ChatUpstream
from server.llm.openai_errors import judge_llm_error
from server.llm.upstream import CHECKER_API, LLM_API, Patience, Upstream
from server.llm.vision_client import VisionClient
from server.observability.metrics import Metrics
from server.setting_groups import RetrySettings, UpstreamSettings
from server.setting_groups.breakers import BreakerSettings
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Upstreams:
    """What calls them."""

    gateway: Gateway
    assistant: OpenAiAssistant
    labeller: Labeller
    breakers: Breakers
    prober: HealthProber


async def build_upstreams(
    settings: Settings, ledger: Ledger, metrics: Metrics, workers: Gateway, stack: AsyncExitStack, clock: Clock
) -> Upstreams:
    """Build them, with the states that their breakers had before the start.

    Args:
        settings: All settings.
        ledger: Keeps the states of the breakers.
        metrics: Shows them.
        workers: Calls the workers.
        stack: Closes what holds a connection.
        clock: The time now.
    """
    breakers = Breakers(ledger, metrics, clock)
    stack.push_async_callback(breakers.drain)
    speech, vision = settings.breakers.speech_worker, settings.breakers.vision_worker
    speech_pauses = _pauses(SPEECH_WORKER, speech, breakers, metrics)
    vision_pauses = _pauses(VISION_WORKER, vision, breakers, metrics)
    gateway = GuardedGateway(workers, speech_pauses, vision_pauses)
    probes = WorkerProbes(workers)
    health = [
        HealthProbe(speech_pauses.breaker, probes.speech, speech.probe_s, speech_pauses),
        HealthProbe(vision_pauses.breaker, probes.vision, vision.probe_s, vision_pauses),
    ]
    llm = settings.upstream
    remote: list[Upstream] = []
    for place, each in llm.in_order.items():
        name = LLM_API if place == 1 else f"{LLM_API}_{place}"
        remote.append(_upstream(name, each, settings.retry, breakers))
        health.append(HealthProbe(remote[-1].breaker, remote[-1].probe, each.probe_s))
    if not remote:
        breakers.build(LLM_API, llm.bounds, judge_llm_error)  # operators look for it
    checkers = remote if llm.checker.mode == "on" else []
    if checkers and llm.checker.base_url:
        checkers = [_upstream(CHECKER_API, llm.checker, settings.retry, breakers)]
        health.append(HealthProbe(checkers[0].breaker, checkers[0].probe, llm.checker.probe_s))
    assistant = OpenAiAssistant(remote, turn_s=llm.turn_s, fields=FieldNames(llm.field_names), checkers=checkers)
    stack.push_async_callback(assistant.aclose)
    labeller = _labeller(settings, breakers, health, stack)
    await breakers.restore()
    return Upstreams(gateway, assistant, labeller, breakers, HealthProber(breakers, health))


def _labeller(settings: Settings, breakers: Breakers, health: list[HealthProbe], stack: AsyncExitStack) -> Labeller:
    vision, retry = settings.vision_upstream, settings.retry
    breaker = breakers.build(VISION_API, vision.bounds, judge_vision_error)  # also without one, operators look for it
    if not vision.base_url:
        return NO_LABELLER
    client = VisionClient(vision.base_url, vision.api_key.get_secret_value(), vision.model)
    upstream = Upstream(client, breaker, RetryBudget(retry.share, retry.least), Patience(vision.timeout_s))
    stack.push_async_callback(upstream.aclose)
    health.append(HealthProbe(breaker, upstream.probe, vision.probe_s))
    return VisionLabeller(client, upstream, vision.most)


def _pauses(name: str, bounds: BreakerSettings, breakers: Breakers, metrics: Metrics) -> ClientPauses:
    pauses = ClientPauses(breakers.build(name, bounds.bounds, judge_worker_error), probed=bounds.probe_s > 0)
    metrics.paused_clients.labels(name).set_function(lambda: len(pauses.clients))
    return pauses


def _upstream(name: str, llm: UpstreamSettings, retry: RetrySettings, breakers: Breakers) -> Upstream:
    return Upstream(
        ChatUpstream(llm.base_url, llm.api_key.get_secret_value(), llm.model),
        breakers.build(name, llm.bounds, judge_llm_error),
        RetryBudget(retry.share, retry.least),
        Patience(llm.timeout_s, llm.interactive_timeout_s, rest_s=retry.policies["llm_api"].whole_delay(0) / 2),
    )
