"""Builds what opens the conversation streams. What lives as long as one stream is built by ``server.streaming``."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial

from models.speech.endpointing.policy import DEFAULT_POLICY
from models.speech.endpointing.segmenter import segmenter_factory
from models.speech.engines import build_vad
from server.records.guide import Guide
from server.runtime.steady_clock import running_s
from server.runtime.token_bucket import Rate
from server.settings import Settings
from server.speech_models.shadow import FinalsShadow
from server.streaming.admission import Admission, AdmissionLimits
from server.streaming.conversation_factory import ConversationFactory
from server.streaming.held_streams import HELD_S, HeldStreams
from server.streaming.load_meter import SpeechLoadMeter
from server.streaming.partials import SpeechBackend
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.rate_limit import MessageRates, RateLimits, TypedRates
from server.streaming.repository import StreamRepository
from server.streaming.responder import ReplyBackend
from server.streaming.stream_config import StreamLimits
from server.streaming.stream_manager import StreamManager
from server.streaming.stream_registry import StreamRegistry
from server.wiring.jobs import Jobs
from server.wiring.shared import Shared
from server.wiring.speech_models import build_speech_models


async def build_streams(
    settings: Settings, shared: Shared, jobs: Jobs, stack: AsyncExitStack
) -> tuple[StreamManager, FinalsShadow]:
    """Load the voice activity detector and build what every stream is opened with. The stack ends what goes on.

    Returns:
        The streams, and what sends a share of their finals to a candidate.
    """
    limits, places = settings.limits, settings.speech.places
    # While the cluster is away, finals wait. That is no load of the workers, so new streams are still admitted.
    load = SpeechLoadMeter(places, shared.cluster.worked_s)
    vad = await asyncio.to_thread(build_vad, settings.weights_dir)
    guide = Guide(shared.flows, shared.audit.trail)
    together = shared.membership is not None
    registry = StreamRegistry(
        shared.ledger,
        shared.spool,
        shared.sealer,
        shared.clock,
        guide,
        shared.refusals,
        held_s=HELD_S if together else None,
    )
    await registry.count_logs()
    admission_limits = AdmissionLimits(
        limits.streams, limits.client_streams, limits.session_streams, limits.speech_floor, limits.speech_load
    )
    admission = Admission(admission_limits, load, shared.metrics)
    shadow = build_speech_models(settings, shared, admission, stack)
    conversations = ConversationFactory(
        registry=registry,
        admission=admission,
        segmenters=segmenter_factory(vad, DEFAULT_POLICY.utterances.with_longest(limits.utterance_s)),
        speech=SpeechBackend(shared.gateway, PriorityLimiter(places), load),
        replies=ReplyBackend(shared.assistant, shared.gateway, jobs.recommender),
        repositories=partial(StreamRepository, shared.ledger, shared.pubsub, jobs.runner, shared.clock, guide),
        limits=StreamLimits(limits.stream_s, limits.stream_idle_s, RateLimits(limits.pace, limits.ahead_s)),
        typed=TypedRates(
            Rate.per_minute(limits.typed_per_minute), Rate.per_minute(limits.client_typed_per_minute), time.monotonic
        ),
        messages=MessageRates(time.monotonic),
        lifecycle=shared.lifecycle,
        metrics=shared.metrics,
        clock=shared.clock,
        elapsed_s=running_s,
        open_container=shared.sandbox.open_stream,
        heard=shadow.offer,
        experiments=shared.experiments,
        seals=shared.seals,
    )
    if together:
        held = HeldStreams(shared.ledger, admission, shared.clock)
        stack.callback(asyncio.create_task(held.run()).cancel)
    return StreamManager(registry, admission, conversations), shadow
